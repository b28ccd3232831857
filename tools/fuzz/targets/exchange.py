"""Images in files, as `load` and `pull oci:` find them: their documents (oci/transfer/source).

An input is for hypothesis, which chooses a document and what is wrong in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inputs import VALUES, altered

from crun_py.errors import CrunpyError, ImageError
from crun_py.oci import manifest
from crun_py.oci.reference import parse
from crun_py.oci.transfer import source

MOST = 4096
TOKENS: list[str] = []
_DIFF = "sha256:" + "12" * 32
_CONFIG = {
    "os": "linux",
    "architecture": "amd64",
    "rootfs": {"type": "layers", "diff_ids": [_DIFF]},
}
_NAMES = {"org.opencontainers.image.ref.name": "a/b:c", "io.containerd.image.name": "docker.io/x"}


def _digest(value: object) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _described(media_type: str, digest: str, **more: object) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": 7, **more}


_MANIFEST = {
    "schemaVersion": 2,
    "mediaType": manifest.OCI_MANIFEST,
    "config": _described(manifest.OCI_CONFIG, _digest(_CONFIG)),
    "layers": [_described(manifest.OCI_LAYER, _DIFF)],
}
_ENTRY = _described(manifest.OCI_MANIFEST, _digest(_MANIFEST), annotations=_NAMES)
DOCUMENTS: dict[str, Any] = {
    "index.json": {"schemaVersion": 2, "manifests": [_ENTRY, _ENTRY]},
    "manifest.json": [{"Config": "c.json", "RepoTags": ["a:b", "c"], "Layers": ["l/layer.tar"]}],
    "c.json": _CONFIG,
    "blobs/" + _digest(_MANIFEST).replace(":", "/"): _MANIFEST,
    "blobs/" + _digest(_CONFIG).replace(":", "/"): _CONFIG,
}


class _Files:
    """The documents, and a layer of seven bytes."""

    def __init__(self, changed: str, value: object) -> None:
        self._all = {name: json.dumps(value).encode() for name, value in DOCUMENTS.items()}
        self._all[changed] = value if isinstance(value, bytes) else json.dumps(value).encode()
        self._all["l/layer.tar"] = self._all["blobs/" + _DIFF.replace(":", "/")] = b"content"

    def __contains__(self, name: str) -> bool:
        return name in self._all

    def size(self, name: str) -> int:
        return len(self.read(name, 1 << 30))

    def read(self, name: str, limit: int) -> bytes:
        assert ".." not in name.split("/") and not name.startswith("/"), "nothing outside is read"
        if name not in self._all:
            raise ImageError(f"it has no {name!r}")
        return self._all[name][:limit]

    def pieces(self, name: str) -> Iterator[bytes]:
        yield self.read(name, 1 << 30)


def check(name: str, value: object) -> None:
    """The document `name` is `value`, bytes as they are."""
    for kind in (source.Layout, source.Docker):
        try:
            _read(kind(_Files(name, value), "it"))
        except CrunpyError as e:
            assert "\n" not in e.line()


def _read(found: source.Source) -> None:
    for image in found.images():
        assert all(str(parse(name)) == name for name in image.names), "full references"
        data, _ = found.manifest(image.digest)
        made = manifest.parse(data)
        if isinstance(made, manifest.Manifest):
            config = found.small_blob(made.config.digest, 1 << 20)
            manifest.parse_config(config, len(made.layers))
            for layer in made.layers:
                assert sum(map(len, found.blob(layer.digest, layer.size))) == layer.size


CASES = st.sampled_from(sorted(DOCUMENTS)).flatmap(
    lambda name: st.tuples(
        st.just(name), altered(DOCUMENTS[name]) | VALUES | st.sampled_from([b"", b"[" * 5000])
    )
)


@settings(deadline=None, database=None, suppress_health_check=[*HealthCheck])
@given(case=CASES)
def _given(case: tuple[str, object]) -> None:
    check(*case)


def seeds() -> Iterator[bytes]:
    yield b"\0" * 64
    yield bytes(range(256)) * 4


def one(data: bytes) -> None:
    _given.hypothesis.fuzz_one_input(data)
