"""A bundle's config.json as the plan wants it: whole, with absolute paths (config.md)."""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import InvalidArgument, NotFound
from crun_py.ns import caps
from crun_py.runtime.check import check
from crun_py.spec import DEVICES, sysctls_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crun_py.documents.spec import Linux, Process, Spec

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
    value = _document(path)
    if not isinstance(value, dict):
        raise InvalidArgument(f"reading {path}: not an object")
    version = value.get("ociVersion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise InvalidArgument(f"reading {path}: ociVersion {version!r}: not of version 1")
    spec = _whole(value, bundle)
    if isinstance(process := spec.get("process"), dict):
        _leave_out(process["capabilities"], warn)
    check(spec, alone=True)
    found: Spec = spec  # type: ignore[assignment]  # this is what `check` has looked for
    _own_settings(found["linux"])
    return found


def read_process(path: str) -> Process:
    """The process of a further command, a file as `runc exec --process` takes it."""
    value = _document(path)
    if not isinstance(value, dict):
        raise InvalidArgument(f"reading {path}: not an object")
    process = _process(value)
    _leave_out(process["capabilities"], say_nothing)
    found: Process = process  # type: ignore[assignment]  # looked at by check.process
    return found


def _document(path: str) -> object:
    try:
        with open(path, "rb") as file:
            found: object = jsonfile.loads(file.read())
    except FileNotFoundError:
        raise NotFound(f"reading {path}: there is no such file") from None
    except OSError as e:
        raise InvalidArgument.from_os(f"reading {path}", e) from e
    except ValueError as e:
        raise InvalidArgument(f"reading {path}: {e}") from e
    return found


def _whole(value: Object, bundle: str) -> Object:
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
    return spec


def _process(value: Object) -> Object:
    process = {"env": [], "user": {}, **value}
    if isinstance(process["user"], dict):
        process["user"] = {"uid": 0, "gid": 0, **process["user"]}
    sets = process.get("capabilities")
    if sets is None or isinstance(sets, dict):
        process["capabilities"] = {name: (sets or {}).get(name) or [] for name in _SETS}
    return process


def _leave_out(sets: object, warn: Callable[[str], None]) -> None:
    """Capabilities that we cannot give."""
    if not isinstance(sets, dict):
        return
    can = _ours_to_give()
    lacking: set[str] = set()
    for key, names in sets.items():
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            lacking |= {*names} - can
            sets[key] = [name for name in names if name in can]
    # none is ambient that is not inheritable and permitted (capabilities(7)); buildah asks for it
    if all(isinstance(sets[key], list) for key in ("ambient", "inheritable", "permitted")):
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
    options = made.get("options") or []
    bound = made.get("type") == "bind" or "bind" in options or "rbind" in options
    if bound and isinstance(source := made.get("source"), str):
        made["source"] = os.path.join(bundle, source)
    if not bound:
        made.setdefault("type", "none")
    return made


def _linux(value: Object) -> Object:
    """Every container has the default devices (config-linux.md, "Default Devices")."""
    linux = {"namespaces": [], **{k: v for k, v in value.items() if v is not None}}
    given = linux.get("devices", [])
    if isinstance(given, list):
        known = {device.get("path") for device in given if isinstance(device, dict)}
        linux["devices"] = [
            *({"path": path, "type": "c", "major": major, "minor": minor}
              for path, major, minor in DEVICES if path not in known),
            *given,
        ]  # fmt: skip
    return linux
