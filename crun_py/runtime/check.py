"""What a config.json must be before anything is done for it (OCI runtime-spec 1.1).

Refused is what would be done in another way than it says, and what could not be undone: a root
without a mount namespace of its own would be the host's.
"""

from __future__ import annotations

from crun_py import quantity
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.model.spec import RLIMITS
from crun_py.ns import TYPES
from crun_py.runtime.mount_options import PROPAGATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")
    Object = dict[str, object]


def check(spec: object, *, alone: bool = False) -> None:
    """Raises InvalidArgument for what is malformed, Unsupported for what is not done here; the
    message names the field.  What passes is a documents.spec.Spec.

    alone: for a container without a monitor (oci_runtime), whose hooks are run."""
    whole = _object(spec, "it")
    process(_field(whole, "", "process", dict))
    root = _field(whole, "", "root", dict)
    _path(_field(root, "root", "path", str), "root.path")
    _field(root, "root", "readonly", bool, False)
    for name in ("hostname", "domainname"):
        _field(whole, "", name, str, "")
    _texts_by_name(whole, "", "annotations")
    linux = _field(whole, "", "linux", dict)
    _namespaces(_field(linux, "linux", "namespaces", list))
    for number, entry in enumerate(_field(whole, "", "mounts", list)):
        where = f"mounts[{number}]"
        _mount(_object(entry, where), where)
    for name in ("maskedPaths", "readonlyPaths"):
        for path in _field(linux, "linux", name, list, []):
            _path(path, f"linux.{name}")
    for number, device in enumerate(_field(linux, "linux", "devices", list, [])):
        where = f"linux.devices[{number}]"
        _device(_object(device, where), where)
    _texts_by_name(linux, "linux", "sysctl")
    _label(linux, "linux", "mountLabel")
    for name in ("uidMappings", "gidMappings"):
        _mappings(linux, "linux", name)
    if linux.get("intelRdt") is not None:
        if not alone:
            raise Unsupported("config.json: linux.intelRdt is not done here")
        _rdt(_field(linux, "linux", "intelRdt", dict))
    _resources(_field(linux, "linux", "resources", dict, {}))
    seccomp = _field(linux, "linux", "seccomp", dict, {})
    if seccomp.get("listenerPath") and not alone:
        raise Unsupported("config.json: linux.seccomp.listenerPath is not done here")
    for name in ("listenerPath", "listenerMetadata"):
        _field(seccomp, "linux.seccomp", name, str, "")
    _personality(linux)
    word = _field(linux, "linux", "rootfsPropagation", str, "")
    if word and word not in PROPAGATION and word not in _DEEP:
        raise _wrong("linux.rootfsPropagation", f"{word!r} is not known")
    _time_offsets(linux)
    hooks = _field(whole, "", "hooks", dict, {})
    if hooks and not alone:
        raise Unsupported("config.json: hooks are not run here")
    for kind, entries in hooks.items():
        _hooks(kind, entries)


def _wrong(where: str, what: str) -> InvalidArgument:
    return InvalidArgument(f"config.json: {where}: {what}")


def _object(value: object, where: str) -> Object:
    if not isinstance(value, dict):
        raise _wrong(where, "not an object")
    return value


def _field(value: Object, where: str, name: str, kind: type[T], otherwise: T | None = None) -> T:
    """A field of this type; one that is absent is `otherwise`, unless that is None."""
    found = value.get(name, otherwise)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        label = f"{where}.{name}".lstrip(".")
        raise _wrong(label, f"not {_KINDS[kind]}" if name in value else "missing")
    return found


_KINDS: dict[type, str] = {
    str: "a text", int: "a number", list: "a list", dict: "an object", bool: "true or false",
}  # fmt: skip


def _texts_by_name(value: Object, where: str, name: str) -> None:
    if not all(isinstance(text, str) for text in _field(value, where, name, dict, {}).values()):
        raise _wrong(f"{where}.{name}".lstrip("."), "not an object of texts")


def _path(value: object, where: str) -> None:
    good = isinstance(value, str) and value.startswith("/") and "\0" not in value
    if not good or ".." in str(value).split("/"):
        raise _wrong(where, f"{str(value)[:60]!r} is not an absolute path")


_DEEP = {"r" + word for word in PROPAGATION}


def _resources(resources: Object) -> None:
    where = "linux.resources"
    if resources.get("network"):
        raise Unsupported(
            f"config.json: {where}.network is not done here: cgroup v2 has no classes"
        )
    for number, value in enumerate(_field(resources, where, "hugepageLimits", list, [])):
        entry = f"{where}.hugepageLimits[{number}]"
        limit = _object(value, entry)
        size = _field(limit, entry, "pageSize", str)
        if not size.isascii() or not size.isalnum():
            raise _wrong(f"{entry}.pageSize", f"{size[:40]!r} is no size, as 2MB is")
        if _field(limit, entry, "limit", int) < 0:
            raise _wrong(f"{entry}.limit", "out of range")
    for device, value in _field(resources, where, "rdma", dict, {}).items():
        entry = f"{where}.rdma.{device}"
        if not device.replace("_", "").replace("-", "").isalnum():
            raise _wrong(entry, "not a device's name")
        for name in ("hcaHandles", "hcaObjects"):
            if not 0 <= _field(_object(value, entry), entry, name, int, 0) < 1 << 32:
                raise _wrong(f"{entry}.{name}", "out of range")


def _time_offsets(linux: Object) -> None:
    for clock, value in _field(linux, "linux", "timeOffsets", dict, {}).items():
        where = f"linux.timeOffsets.{clock}"
        if clock not in ("monotonic", "boottime"):
            raise _wrong(where, "not known")
        offset = _object(value, where)
        _field(offset, where, "secs", int, 0)
        if not 0 <= _field(offset, where, "nanosecs", int, 0) < 10**9:
            raise _wrong(f"{where}.nanosecs", "out of range")


def _personality(linux: Object) -> None:
    personality = _field(linux, "linux", "personality", dict, {})
    if not personality:
        return
    if personality.get("domain") not in ("LINUX", "LINUX32"):
        raise _wrong("linux.personality.domain", "not LINUX or LINUX32")
    if personality.get("flags"):
        raise Unsupported("config.json: linux.personality.flags: there are none")


HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def _hooks(kind: str, entries: object) -> None:
    if kind not in HOOKS:
        raise _wrong(f"hooks.{kind}", "not known")
    if not isinstance(entries, list):
        raise _wrong(f"hooks.{kind}", "not a list")
    for number, value in enumerate(entries):
        where = f"hooks.{kind}[{number}]"
        hook = _object(value, where)
        _path(_field(hook, where, "path", str), f"{where}.path")
        for name in ("args", "env"):
            _texts(_field(hook, where, name, list, []), f"{where}.{name}")
        if _field(hook, where, "timeout", int, 1) <= 0:
            raise _wrong(f"{where}.timeout", "not above 0")


def _texts(words: list[object], where: str) -> None:
    if not all(isinstance(word, str) and "\0" not in word for word in words):
        raise _wrong(where, "not a list of texts")


def process(process: object) -> None:
    """As `check`, for the process alone, of a further command for example."""
    process = _object(process, "process")
    for name in ("args", "env"):
        _texts(_field(process, "process", name, list), f"process.{name}")
    for text in map(str, _field(process, "process", "env", list)):
        if "=" not in text or text.startswith("="):
            raise _wrong("process.env", f"{text[:60]!r} is not KEY=VALUE")
    if not process["args"]:
        raise _wrong("process.args", "empty")
    _path(_field(process, "process", "cwd", str), "process.cwd")
    for name in ("terminal", "noNewPrivileges"):
        _field(process, "process", name, bool, False)
    _field(process, "process", "oomScoreAdj", int, 0)
    _user(_field(process, "process", "user", dict))
    _manner(process)
    for number, entry in enumerate(_field(process, "process", "rlimits", list, [])):
        where = f"process.rlimits[{number}]"
        limit = _object(entry, where)
        kind = _field(limit, where, "type", str)
        if kind.removeprefix("RLIMIT_").lower() not in RLIMITS:
            raise _wrong(where, f"{kind!r} is not known")
        if _field(limit, where, "soft", int) > _field(limit, where, "hard", int):
            raise _wrong(where, "soft is above hard")
    sets = _field(process, "process", "capabilities", dict)
    for name in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        words = _field(sets, "process.capabilities", name, list)
        if not all(isinstance(word, str) for word in words):
            raise _wrong(f"process.capabilities.{name}", "not a list of texts")
    if process.get("apparmorProfile"):
        from crun_py.ns import apparmor

        if not apparmor.enabled():
            raise Unsupported("config.json: process.apparmorProfile: this host has no AppArmor")
    _label(process, "process", "selinuxLabel")


def _rdt(rdt: Object) -> None:
    """The form of what crun_py/oci_runtime/resctrl.py makes."""
    where = "linux.intelRdt"
    name = _field(rdt, where, "closID", str, "")
    if "/" in name or name in (".", "..", "info", "mon_data", "mon_groups") or "\0" in name:
        raise _wrong(f"{where}.closID", f"{name!r} is no name of a group")
    _field(rdt, where, "l3CacheSchema", str, "")
    bandwidth = _field(rdt, where, "memBwSchema", str, "")
    if bandwidth and (not bandwidth.startswith("MB:") or "\n" in bandwidth):
        raise _wrong(f"{where}.memBwSchema", f"{bandwidth!r} is not one line that begins with MB:")
    if not all(isinstance(line, str) for line in _field(rdt, where, "schemata", list, [])):
        raise _wrong(f"{where}.schemata", "not a list of texts")
    for key in ("enableCMT", "enableMBM", "enableMonitoring"):
        _field(rdt, where, key, bool, False)


def _label(value: Object, where: str, name: str) -> None:
    if _field(value, where, name, str, ""):
        from crun_py.ns import selinux

        if not selinux.enabled():
            raise Unsupported(f"config.json: {where}.{name}: this host has no SELinux")


def _manner(process: Object) -> None:
    if size := _field(process, "process", "consoleSize", dict, {}):
        for name in ("height", "width"):
            if not 0 <= _field(size, "process.consoleSize", name, int) < 1 << 16:
                raise _wrong(f"process.consoleSize.{name}", "out of range")
    priority = _field(process, "process", "ioPriority", dict, {})
    if priority:
        kind = _field(priority, "process.ioPriority", "class", str)
        if kind not in ("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"):
            raise _wrong("process.ioPriority.class", f"{kind!r} is not known")
        if not 0 <= _field(priority, "process.ioPriority", "priority", int, 0) <= 7:
            raise _wrong("process.ioPriority.priority", "not 0 to 7")
    scheduler = _field(process, "process", "scheduler", dict, {})
    if scheduler:
        policy = _field(scheduler, "process.scheduler", "policy", str)
        if policy not in ("SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_IDLE",
                          "SCHED_DEADLINE"):  # fmt: skip
            raise _wrong("process.scheduler.policy", f"{policy!r} is not known")
        for name in ("nice", "priority", "runtime", "deadline", "period"):
            _field(scheduler, "process.scheduler", name, int, 0)
        _texts(_field(scheduler, "process.scheduler", "flags", list, []), "process.scheduler.flags")
    affinity = _field(process, "process", "execCPUAffinity", dict, {})
    for name in ("initial", "final"):
        if text := _field(affinity, "process.execCPUAffinity", name, str, ""):
            quantity.cpus(text, f"config.json: process.execCPUAffinity.{name}")


def _user(user: Object) -> None:
    groups = _field(user, "process.user", "additionalGids", list, [])
    ids = {name: _field(user, "process.user", name, int) for name in ("uid", "gid")}
    for name, number in (*ids.items(), *(("additionalGids", gid) for gid in groups)):
        if not isinstance(number, int) or not 0 <= number < (1 << 32) - 1:
            raise _wrong(f"process.user.{name}", "out of range")
    if not 0 <= _field(user, "process.user", "umask", int, 0) <= 0o7777:
        raise _wrong("process.user.umask", "out of range")


def _namespaces(entries: list[object]) -> None:
    seen: set[str] = set()
    own_mounts = False
    for number, value in enumerate(entries):
        where = f"linux.namespaces[{number}]"
        entry = _object(value, where)
        kind = _field(entry, where, "type", str)
        if kind not in TYPES or kind in seen:
            raise _wrong(where, f"{kind!r} is {'given twice' if kind in seen else 'not known'}")
        seen.add(kind)
        own_mounts |= kind == "mount" and not entry.get("path")
    if not own_mounts:
        raise Unsupported(
            "config.json: linux.namespaces: a mount namespace of the container's own is needed"
        )


def _mount(entry: Object, where: str) -> None:
    _path(_field(entry, where, "destination", str), f"{where}.destination")
    options = _field(entry, where, "options", list, [])
    if not all(isinstance(word, str) for word in options):
        raise _wrong(f"{where}.options", "not a list of texts")
    bound = entry.get("type") == "bind" or "bind" in options or "rbind" in options
    mappings = [_mappings(entry, where, name) for name in ("uidMappings", "gidMappings")]
    if any(mappings) and not all(mappings):
        raise _wrong(where, "uidMappings and gidMappings go together")
    if not bound and (any(mappings) or {"idmap", "ridmap"} & {*options}):
        raise Unsupported(f"config.json: {where}: ids are mapped of bind mounts alone")
    _field(entry, where, "source", str, None if bound else "")
    _field(entry, where, "type", str, "bind" if bound else None)


def _mappings(value: Object, where: str, name: str) -> list[object]:
    found = _field(value, where, name, list, [])
    for number, entry in enumerate(found):
        row = _object(entry, f"{where}.{name}[{number}]")
        for key in ("containerID", "hostID", "size"):
            if not 0 <= _field(row, f"{where}.{name}[{number}]", key, int) < 1 << 32:
                raise _wrong(f"{where}.{name}[{number}].{key}", "out of range")
    return found


def _device(device: Object, where: str) -> None:
    _path(_field(device, where, "path", str), f"{where}.path")
    kind = _field(device, where, "type", str)
    if kind == "p":
        raise Unsupported(f"config.json: {where}: a FIFO is not made here")
    if kind not in ("c", "b", "u"):
        raise _wrong(f"{where}.type", f"{kind!r} is not known")
    for name in ("major", "minor"):
        _field(device, where, name, int)
    for name in ("fileMode", "uid", "gid"):
        if _field(device, where, name, int, 0) < 0:
            raise _wrong(f"{where}.{name}", "out of range")
