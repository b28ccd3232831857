"""ConfigMaps and Secrets of manifests: variables and files that containers get of them."""

from __future__ import annotations

from crun_py.errors import InvalidArgument, NotFound
from crun_py.kube.node import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAPS, SECRETS = "ConfigMap", "Secret"


class Settings:
    """Those that there are, by kind and name.  kept: gives the manifest of a Secret that is kept
    under a name, None for none."""

    def __init__(self, kept: Callable[[str], Node | None]) -> None:
        self._found: dict[tuple[str, str], dict[str, bytes]] = {}
        self._kept = kept
        self._for_files: dict[str, set[str]] = {}

    def add(self, kind: str, node: Node) -> str:
        """Take one in; its name."""
        name = node.node("metadata").needed("name")
        self._found[kind, name] = data_of(kind, node)
        if kind == MAPS:
            self._for_files[name] = {*node.pairs("binaryData")}
        return name

    def variables(self, kind: str, name: str, optional: bool, where: str) -> dict[str, str]:
        """What is in one as variables: not a ConfigMap's binaryData.  Raises NotFound,
        InvalidArgument."""
        values = self.find(kind, name, optional, where)
        files = self._for_files.get(name, set()) if kind == MAPS else set()
        for key, value in values.items():
            if key not in files and b"\0" in value:
                raise InvalidArgument(f"{where}: {key} of {kind} {name} cannot be a variable: NUL")
        return {
            key: value.decode(errors="surrogateescape")
            for key, value in values.items()
            if key not in files
        }

    def find(self, kind: str, name: str, optional: bool, where: str) -> dict[str, bytes]:
        """What is in one; nothing in one that is missing and optional.  Raises NotFound."""
        if (kind, name) not in self._found and kind == SECRETS and (node := self._kept(name)):
            self._found[kind, name] = data_of(kind, node)
        if (kind, name) in self._found:
            return self._found[kind, name]
        if optional:
            return {}
        raise NotFound(f"{where}: there is no {kind} {name}")

    def value(self, kind: str, node: Node) -> str | None:
        """What a configMapKeyRef or secretKeyRef names; None for what is missing and optional."""
        name, key, optional = node.needed("name"), node.needed("key"), node.truth("optional")
        found = self.find(kind, name, bool(optional), node.where)
        if key in found:
            return found[key].decode(errors="surrogateescape")
        if optional:
            return None
        raise NotFound(f"{node.where}: there is no key {key} in {kind} {name}")


def data_of(kind: str, node: Node) -> dict[str, bytes]:
    """The values by key of a ConfigMap or Secret.  Raises InvalidArgument."""
    import base64

    node.known("type", "immutable", "apiVersion", "kind")
    plain, encoded = ("data", "binaryData") if kind == MAPS else ("stringData", "data")
    found: dict[str, bytes] = {}
    for key, text in node.pairs(encoded).items():
        try:
            found[key] = base64.b64decode("".join(text.split()), validate=True)
        except ValueError:
            raise InvalidArgument(f"{node.where}.{encoded}.{key}: it is no base64") from None
    found |= {key: text.encode() for key, text in node.pairs(plain).items()}
    for key in found:
        if key in (".", "..") or not key or not all(c.isalnum() or c in "-_." for c in key):
            raise InvalidArgument(f"{node.where}: {key!r} cannot be a key")
    return found
