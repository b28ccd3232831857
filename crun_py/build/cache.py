"""What earlier builds made, by what they made it of.

    ROOT/build/cache/KEY.json   what a step came to: when, and its layer if it made one
    ROOT/layers/ID/cached       the layers below it: while it is there, none of them is collected

A key is the digest of the key before it and of all that a step depends on.
"""

from __future__ import annotations

import os
import time

from crun_py import jsonfile
from crun_py.build.layer import Layer
from crun_py.clock import known_ns
from crun_py.errors import CorruptState
from crun_py.oci.chain import is_unpacked, layer_directory
from crun_py.oci.store import gc
from crun_py.paths import private_dir
from crun_py.record import fields_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.paths import Paths
    from crun_py.workspace import Workspace


STEP = {
    "created": str,
    "layer?": (None, {"chain_id": str, "diff_id": str, "size": int, "content": int}),
}
"""What KEY.json says."""


def digest(*parts: str) -> str:
    """One key of several texts."""
    from _blake2 import blake2b  # a tenth of hashlib's import

    return str(
        blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()
    )


class Step:
    """created: RFC 3339.  layer: None where the step only changed the config."""

    __slots__ = ("created", "layer")

    def __init__(self, created: str, layer: Layer | None) -> None:
        self.created, self.layer = created, layer


class Cache:
    """The steps of one store.  older_s: those made so many seconds ago are not found; 0: all.
    asks: nothing is wanted of them, one only asks."""

    def __init__(
        self, paths: Paths, workspace: Workspace, *, older_s: float = 0, asks: bool = False
    ) -> None:
        self._paths, self._workspace, self._older_s = paths, workspace, older_s
        self._asks = asks
        self._directory = paths.root + "/build/cache"

    def find(self, key: str, chain: list[str]) -> Step | None:
        """What the step `key` came to on top of the layers `chain`; None: it is not known, or
        its layer has gone."""
        try:
            found = jsonfile.read(f"{self._directory}/{key}.json", STEP)
            layer = Layer(**found["layer"]) if found.get("layer") else None
            step = Step(found["created"], layer)
            if not self._asks:
                os.utime(f"{self._directory}/{key}.json")  # builder prune goes by it
        except (FileNotFoundError, CorruptState, TypeError):
            return None
        if self._older_s and known_ns(step.created) < time.time_ns() - self._older_s * 1e9:
            return None
        if layer and not all(is_unpacked(self._paths, c) for c in (*chain, layer.chain_id)):
            return None
        return step

    def keep(self, key: str, created: str, layer: Layer | None, chain: list[str]) -> None:
        """Remember what the step `key` came to; chain: of the layers below."""
        private_dir(self._directory)
        value: dict[str, object] = {"schema": 1, "created": created}
        if layer:
            value["layer"] = fields_of(layer)
            marker = f"{layer_directory(self._paths, layer.chain_id)}/{gc.CACHED}"
            self._workspace.write(marker, " ".join(chain).encode())
        self._workspace.write(f"{self._directory}/{key}.json", jsonfile.dumps(value).encode())
