"""A bundle's config.json as the plan wants it: whole, with absolute paths (config.md)."""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import InvalidArgument, NotFound
from crun_py.ns import caps
from crun_py.runtime.check import check, process
from crun_py.spec import DEVICES, sysctls_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crun_py.documents.spec import Capabilities, Linux, Process, Spec

    Object = dict[str, object]

_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


NAMES = {"network": "net", "mount": "mnt"}
"""What /proc calls a namespace that the specification calls otherwise."""


def _own_settings(linux: Linux) -> None:
    """Raises InvalidArgument for a sysctl that is not of a namespace of the container's own: it
    would be the host's that is written."""
    own = set()
    for entry in linux["namespaces"]:
        kind, path = entry["type"], entry.get("path", "")
        try:
            host = os.stat(f"/proc/self/ns/{NAMES.get(kind, kind)}")
            if not path or not os.path.samestat(os.stat(path), host):
                own.add(kind)
        except OSError:
            continue  # it is told when it is opened
    sysctls_of(linux.get("sysctl", {}), own)


def say_nothing(_: str) -> None:
    """Who reads a specification again has heard it before."""


def read(bundle: str, *, warn: Callable[[str], None] = say_nothing) -> Spec:
    """The specification in the directory `bundle`.

    warn: is told of capabilities that are left out as they are not known or not ours to give
    (config.md wants that logged, and no error).  Raises NotFound when there is none,
    InvalidArgument, Unsupported for what cannot be done here.
    """
    path = f"{bundle}/config.json"
    value = document(path)
    if not isinstance(value, dict):
        raise InvalidArgument(f"reading {path}: not an object")
    version = value.get("ociVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise InvalidArgument(f"reading {path}: ociVersion {version!r}: not of version 1")
    spec = _whole(value, bundle)
    check(spec, alone=True)
    _leave_out(spec["process"]["capabilities"], warn)
    _own_settings(spec["linux"])
    return spec


def read_process(path: str) -> Process:
    """The process of a further command, a file as `runc exec --process` takes it."""
    value = document(path)
    if not isinstance(value, dict):
        raise InvalidArgument(f"reading {path}: not an object")
    found: Process = _process(value)  # type: ignore[assignment]  # which `process` looks for
    process(found)
    _leave_out(found["capabilities"], say_nothing)
    return found


def document(path: str) -> object:
    """The JSON of a file, as `parsed` has it.  Raises NotFound, InvalidArgument."""
    try:
        return parsed(jsonfile.read_bytes(path), path)
    except FileNotFoundError:
        raise NotFound(f"reading {path}: there is no such file") from None
    except OSError as e:
        raise InvalidArgument.from_os(f"reading {path}", e) from e


def parsed(data: bytes, name: str) -> object:
    """The JSON in `data`, without what is null there, which is as good as absent.

    name: where it is from.  Raises InvalidArgument; that, too, for texts that no system call can
    take, and for numbers that no field can hold.
    """
    try:
        return _without_nulls(jsonfile.loads(data), name)
    except RecursionError:
        raise InvalidArgument(f"reading {name}: nested too deeply") from None
    except ValueError as e:
        raise InvalidArgument(f"reading {name}: {e}") from e


def _without_nulls(value: object, name: str) -> object:
    if isinstance(value, dict):
        _text("".join(value), name)
        return {key: _without_nulls(one, name) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one, name) for one in value]
    if isinstance(value, str):
        _text(value, name)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise InvalidArgument(f"reading {name}: {value} is out of range")
    return value


def _text(value: str, name: str) -> None:
    if "\0" in value:
        raise InvalidArgument(f"reading {name}: {value[:60]!r} has a NUL")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidArgument(f"reading {name}: {value[:60]!r} is no Unicode text") from None


def _whole(value: Object, bundle: str) -> Spec:
    """With what the specification lets be left out; of other types what it was, for `check`."""
    spec = {"mounts": [], **value}
    if isinstance(root := spec.get("root"), dict) and isinstance(root.get("path"), str):
        spec["root"] = {**root, "path": os.path.normpath(os.path.join(bundle, root["path"]))}
    if isinstance(spec["mounts"], list):
        spec["mounts"] = [_mount(entry, bundle) for entry in spec["mounts"]]
    if isinstance(process := spec.get("process"), dict):
        spec["process"] = _process(process)
    linux = spec.get("linux")
    if linux is None or isinstance(linux, dict):
        spec["linux"] = _linux(linux or {})
    return spec  # type: ignore[return-value]  # which `check` looks for


def _process(value: Object) -> Object:
    process = {"env": [], "user": {}, **value}
    if isinstance(process["user"], dict):
        process["user"] = {"uid": 0, "gid": 0, **process["user"]}
    sets = process.get("capabilities")
    if sets is None or isinstance(sets, dict):
        process["capabilities"] = {name: (sets or {}).get(name) or [] for name in _SETS}
    return process


def _leave_out(sets: Capabilities, warn: Callable[[str], None]) -> None:
    """Capabilities that we cannot give."""
    can = _ours_to_give()
    lacking: set[str] = set()
    for names in (sets["bounding"], sets["effective"], sets["permitted"], sets["inheritable"],
                  sets["ambient"]):  # fmt: skip
        lacking |= {*names} - can
        names[:] = [name for name in names if name in can]
    # none is ambient that is not inheritable and permitted (capabilities(7)); buildah asks for it
    others = {*sets["inheritable"]} & {*sets["permitted"]}
    sets["ambient"] = [name for name in sets["ambient"] if name in others]
    _tell_lacking(lacking, warn)


def _ours_to_give() -> set[str]:
    own = caps.bounding_mask()
    return {name for name, number in caps.NUMBERS.items() if own >> number & 1}


def _tell_lacking(names: set[str], warn: Callable[[str], None]) -> None:
    if names:
        text = ", ".join(sorted(names))
        warn(f"capabilities that are not known or not ours to give: {text}")


def capabilities(names: Iterable[str], warn: Callable[[str], None]) -> list[str]:
    """Those of `names` that we can give; `warn` is told of the others."""
    wanted = {*names}
    can = wanted & _ours_to_give()
    _tell_lacking(wanted - can, warn)
    return sorted(can)


def _mount(entry: object, bundle: str) -> object:
    if not isinstance(entry, dict):
        return entry
    made = {**entry}
    if isinstance(target := made.get("destination"), str) and target:
        made["destination"] = "/" + os.path.normpath(target).lstrip("/")
    options = made.get("options", [])
    if not isinstance(options, list):
        return made
    bound = made.get("type") == "bind" or "bind" in options or "rbind" in options
    if bound and isinstance(source := made.get("source"), str):
        made["source"] = os.path.join(bundle, source)
    if not bound:
        made.setdefault("type", "none")
    return made


def _linux(value: Object) -> Object:
    """Every container has the default devices (config-linux.md, "Default Devices")."""
    linux = {"namespaces": [], **value}
    given = linux.get("devices", [])
    if isinstance(given, list):
        known = [device.get("path") for device in given if isinstance(device, dict)]
        linux["devices"] = [
            *({"path": path, "type": "c", "major": major, "minor": minor}
              for path, major, minor in DEVICES if path not in known),
            *given,
        ]  # fmt: skip
    return linux
