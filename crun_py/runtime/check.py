"""What a config.json must be before anything is done for it (OCI runtime-spec 1.1).

Refused is what would be done in another way than it says, and what could not be undone: a root
without a mount namespace of its own would be the host's.
"""

from __future__ import annotations

from crun_py.errors import InvalidArgument, Unsupported
from crun_py.model.spec import RLIMITS
from crun_py.ns import TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check(spec: dict[str, Any]) -> None:
    """Raises InvalidArgument for what is malformed, Unsupported for what is not done here; the
    message names the field."""
    _object(spec, "", ("process", "root", "linux", "mounts"))
    _process(spec["process"])
    _path(_field(spec["root"], "root", "path", str), "root.path")
    _namespaces(_field(spec["linux"], "linux", "namespaces", list))
    for number, entry in enumerate(_field(spec, "", "mounts", list)):
        _mount(entry, f"mounts[{number}]")
    linux = spec["linux"]
    for name in ("maskedPaths", "readonlyPaths"):
        for path in _field(linux, "linux", name, list, []):
            _path(path, f"linux.{name}")
    for number, device in enumerate(_field(linux, "linux", "devices", list, [])):
        _device(device, f"linux.devices[{number}]")
    if linux.get("intelRdt") or linux.get("personality"):
        raise Unsupported("config.json: linux.intelRdt and linux.personality are not done here")
    if spec.get("hooks"):
        raise Unsupported("config.json: hooks are not run here")


def _wrong(where: str, what: str) -> InvalidArgument:
    return InvalidArgument(f"config.json: {where}: {what}")


def _object(value: object, where: str, needed: tuple[str, ...]) -> None:
    if not isinstance(value, dict):
        raise _wrong(where or "it", "not an object")
    for name in needed:
        if name not in value:
            raise _wrong(f"{where}.{name}".lstrip("."), "missing")


def _field(value: Any, where: str, name: str, kind: type, otherwise: Any = None) -> Any:
    """A field of this type; one that is absent is `otherwise`, unless that is None."""
    label = f"{where}.{name}".lstrip(".")
    if not isinstance(value, dict):
        raise _wrong(where, "not an object")
    found = value.get(name, otherwise)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise _wrong(label, f"not {_KINDS[kind]}" if name in value else "missing")
    return found


_KINDS = {str: "a text", int: "a number", list: "a list", dict: "an object", bool: "true or false"}


def _path(value: object, where: str) -> None:
    good = isinstance(value, str) and value.startswith("/") and "\0" not in value
    if not good or ".." in str(value).split("/"):
        raise _wrong(where, f"{str(value)[:60]!r} is not an absolute path")


def _process(process: Any) -> None:
    for name in ("args", "env"):
        words = _field(process, "process", name, list)
        if not all(isinstance(word, str) and "\0" not in word for word in words):
            raise _wrong(f"process.{name}", "not a list of texts")
    if not process["args"]:
        raise _wrong("process.args", "empty")
    _path(_field(process, "process", "cwd", str), "process.cwd")
    user = _field(process, "process", "user", dict)
    for name in ("uid", "gid"):
        if not 0 <= _field(user, "process.user", name, int) < (1 << 32) - 1:
            raise _wrong(f"process.user.{name}", "out of range")
    for number, limit in enumerate(_field(process, "process", "rlimits", list, [])):
        where = f"process.rlimits[{number}]"
        if _field(limit, where, "type", str).removeprefix("RLIMIT_").lower() not in RLIMITS:
            raise _wrong(where, f"{limit['type']!r} is not known")
        if _field(limit, where, "soft", int) > _field(limit, where, "hard", int):
            raise _wrong(where, "soft is above hard")
    sets = _field(process, "process", "capabilities", dict)
    for name in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        _field(sets, "process.capabilities", name, list)
    for name in ("apparmorProfile", "selinuxLabel"):
        if process.get(name):
            raise Unsupported(f"config.json: process.{name} is not done here")


def _namespaces(entries: list[Any]) -> None:
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        where = f"linux.namespaces[{number}]"
        kind = _field(entry, where, "type", str)
        if kind not in TYPES or kind in seen:
            raise _wrong(where, f"{kind!r} is {'given twice' if kind in seen else 'not known'}")
        seen.add(kind)
    own = [e for e in entries if e["type"] == "mount" and "path" not in e]
    if not own:
        raise Unsupported(
            "config.json: linux.namespaces: a mount namespace of the container's own is needed"
        )


def _mount(entry: Any, where: str) -> None:
    _path(_field(entry, where, "destination", str), f"{where}.destination")
    if not all(isinstance(word, str) for word in _field(entry, where, "options", list, [])):
        raise _wrong(f"{where}.options", "not a list of texts")
    options = entry.get("options", ())
    bound = entry.get("type") == "bind" or "bind" in options or "rbind" in options
    if bound:
        _field(entry, where, "source", str)
    elif not isinstance(entry.get("type"), str):
        raise _wrong(f"{where}.type", "missing")


def _device(device: Any, where: str) -> None:
    _path(_field(device, where, "path", str), f"{where}.path")
    if _field(device, where, "type", str) not in ("c", "b", "u", "p"):
        raise _wrong(f"{where}.type", f"{device['type']!r} is not known")
    if device["type"] != "p":
        for name in ("major", "minor"):
            _field(device, where, name, int)
