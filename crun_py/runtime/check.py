"""What a config.json must be before anything is done for it (OCI runtime-spec 1.1).

Refused is what would be done in another way than it says, and what could not be undone: a root
without a mount namespace of its own would be the host's.
"""

from __future__ import annotations

from crun_py import quantity
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.model.spec import RLIMITS
from crun_py.ns import TYPES
from crun_py.runtime.form import CONFIG, PROCESS
from crun_py.runtime.mount_options import PROPAGATION
from crun_py.shapes import misfit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.documents import spec as documents


def check(spec: documents.Spec, *, alone: bool = False) -> None:
    """Raises InvalidArgument for what is malformed, Unsupported for what is not done here; the
    message names the field.

    spec: a document that may be anything, and is what its type says when it passes.
    alone: for a container without a monitor (oci_runtime), whose hooks are run."""
    if wrong := misfit(spec, CONFIG):
        raise InvalidArgument(f"config.json: {wrong.removeprefix(': ')}")
    _process(spec["process"])
    _path(spec["root"]["path"], "root.path")
    linux = spec["linux"]
    _namespaces(linux["namespaces"])
    for number, entry in enumerate(spec["mounts"]):
        _mount(entry, f"mounts[{number}]")
    for name, paths in (("maskedPaths", linux.get("maskedPaths", ())),
                        ("readonlyPaths", linux.get("readonlyPaths", ()))):  # fmt: skip
        for path in paths:
            _path(path, f"linux.{name}")
    for number, device in enumerate(linux.get("devices", ())):
        _device(device, f"linux.devices[{number}]")
    _label(linux.get("mountLabel"), "linux.mountLabel")
    _mappings(linux.get("uidMappings", []), "linux.uidMappings")
    _mappings(linux.get("gidMappings", []), "linux.gidMappings")
    if (rdt := linux.get("intelRdt")) is not None:
        if not alone:
            raise Unsupported("config.json: linux.intelRdt is not done here")
        _rdt(rdt)
    if linux.get("resources"):
        from crun_py.runtime import check_resources

        check_resources.check(linux["resources"])
    if linux.get("seccomp", {}).get("listenerPath") and not alone:
        raise Unsupported("config.json: linux.seccomp.listenerPath is not done here")
    _personality(linux.get("personality"))
    word = linux.get("rootfsPropagation")
    if word and word not in PROPAGATION and word not in _DEEP:
        raise _wrong("linux.rootfsPropagation", f"{word!r} is not known")
    _time_offsets(linux.get("timeOffsets", {}))
    if spec.get("hooks") and not alone:
        raise Unsupported("config.json: hooks are not run here")
    for kind, hooks in spec.get("hooks", {}).items():
        _hooks(kind, hooks)


def _wrong(where: str, what: str) -> InvalidArgument:
    return InvalidArgument(f"config.json: {where}: {what}")


def _path(value: str, where: str) -> None:
    if not value.startswith("/") or "\0" in value or ".." in value.split("/"):
        raise _wrong(where, f"{value[:60]!r} is not an absolute path")


_DEEP = {"r" + word for word in PROPAGATION}


def _time_offsets(offsets: dict[str, documents.TimeOffset]) -> None:
    for clock, offset in offsets.items():
        where = f"linux.timeOffsets.{clock}"
        if clock not in ("monotonic", "boottime"):
            raise _wrong(where, "not known")
        if not 0 <= offset.get("nanosecs", 0) < 10**9:
            raise _wrong(f"{where}.nanosecs", "out of range")


def _personality(personality: documents.Personality | None) -> None:
    if not personality:
        return
    if personality["domain"] not in ("LINUX", "LINUX32"):
        raise _wrong("linux.personality.domain", "not LINUX or LINUX32")
    if personality.get("flags"):
        raise Unsupported("config.json: linux.personality.flags: there are none")


HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


_HOOK_S = 1 << 31


def _hooks(kind: str, hooks: list[documents.Hook]) -> None:
    if kind not in HOOKS:
        raise _wrong(f"hooks.{kind}", "not known")
    for number, hook in enumerate(hooks):
        where = f"hooks.{kind}[{number}]"
        _path(hook["path"], f"{where}.path")
        _texts(hook.get("args", ()), f"{where}.args")
        _texts(hook.get("env", ()), f"{where}.env")
        if not 0 < hook.get("timeout", 1) < _HOOK_S:
            raise _wrong(f"{where}.timeout", f"not 1 to {_HOOK_S - 1}")


def _texts(words: Iterable[str], where: str) -> None:
    if any("\0" in word for word in words):
        raise _wrong(where, "a text has a NUL")


_U64 = (1 << 64) - 1


def process(process: documents.Process) -> None:
    """As `check`, for the process alone, of a further command for example."""
    if wrong := misfit(process, PROCESS, "process"):
        raise InvalidArgument(f"config.json: {wrong}")
    _process(process)


def _process(process: documents.Process) -> None:
    _texts(process["args"], "process.args")
    _texts(process["env"], "process.env")
    for text in process["env"]:
        if "=" not in text or text.startswith("="):
            raise _wrong("process.env", f"{text[:60]!r} is not KEY=VALUE")
    if not process["args"]:
        raise _wrong("process.args", "empty")
    _path(process["cwd"], "process.cwd")
    _user(process["user"])
    if not -1000 <= process.get("oomScoreAdj", 0) <= 1000:
        raise _wrong("process.oomScoreAdj", "not -1000 to 1000")
    _manner(process)
    for number, limit in enumerate(process.get("rlimits", ())):
        where = f"process.rlimits[{number}]"
        if limit["type"].removeprefix("RLIMIT_").lower() not in RLIMITS:
            raise _wrong(where, f"{limit['type']!r} is not known")
        if not 0 <= limit["soft"] <= limit["hard"] <= _U64:
            raise _wrong(where, "soft is above hard, or one out of range")
    if process.get("apparmorProfile"):
        from crun_py.ns import apparmor

        if not apparmor.enabled():
            raise Unsupported("config.json: process.apparmorProfile: this host has no AppArmor")
    _label(process.get("selinuxLabel"), "process.selinuxLabel")


def _rdt(rdt: documents.IntelRdt) -> None:
    """The form of what crun_py/oci_runtime/resctrl.py makes."""
    where = "linux.intelRdt"
    name = rdt.get("closID", "")
    if "/" in name or name in (".", "..", "info", "mon_data", "mon_groups") or "\0" in name:
        raise _wrong(f"{where}.closID", f"{name!r} is no name of a group")
    bandwidth = rdt.get("memBwSchema", "")
    if bandwidth and (not bandwidth.startswith("MB:") or "\n" in bandwidth):
        raise _wrong(f"{where}.memBwSchema", f"{bandwidth!r} is not one line that begins with MB:")


def _label(label: str | None, where: str) -> None:
    if label:
        from crun_py.ns import selinux

        if not selinux.enabled():
            raise Unsupported(f"config.json: {where}: this host has no SELinux")


POLICIES = {
    "SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}  # fmt: skip
SCHEDULER_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 1, "SCHED_FLAG_RECLAIM": 2, "SCHED_FLAG_DL_OVERRUN": 4,
    "SCHED_FLAG_KEEP_POLICY": 8, "SCHED_FLAG_KEEP_PARAMS": 16, "SCHED_FLAG_UTIL_CLAMP_MIN": 32,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 64,
}  # fmt: skip
"""Of sched_setattr(2)."""


def _manner(process: documents.Process) -> None:
    if size := process.get("consoleSize"):
        for name, number in (("height", size["height"]), ("width", size["width"])):
            if not 0 <= number < 1 << 16:
                raise _wrong(f"process.consoleSize.{name}", "out of range")
    if priority := process.get("ioPriority"):
        kind = priority["class"]
        if kind not in ("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"):
            raise _wrong("process.ioPriority.class", f"{kind!r} is not known")
        if not 0 <= priority.get("priority", 0) <= 7:
            raise _wrong("process.ioPriority.priority", "not 0 to 7")
    if scheduler := process.get("scheduler"):
        if scheduler["policy"] not in POLICIES:
            raise _wrong("process.scheduler.policy", f"{scheduler['policy']!r} is not known")
        for flag in scheduler.get("flags", ()):
            if flag not in SCHEDULER_FLAGS:
                raise _wrong("process.scheduler.flags", f"{flag!r} is not known")
        for name, number, least, most in (
            ("nice", scheduler.get("nice", 0), -20, 19),
            ("priority", scheduler.get("priority", 0), 0, 99),
            ("runtime", scheduler.get("runtime", 0), 0, _U64),
            ("deadline", scheduler.get("deadline", 0), 0, _U64),
            ("period", scheduler.get("period", 0), 0, _U64),
        ):
            if not least <= number <= most:
                raise _wrong(f"process.scheduler.{name}", f"not {least} to {most}")
    affinity = process.get("execCPUAffinity", {})
    for name, text in (("initial", affinity.get("initial")), ("final", affinity.get("final"))):
        if text:
            quantity.cpus(text, f"config.json: process.execCPUAffinity.{name}")


def _user(user: documents.User) -> None:
    further = [("additionalGids", gid) for gid in user.get("additionalGids", ())]
    for name, number in [("uid", user["uid"]), ("gid", user["gid"]), *further]:
        if not 0 <= number < (1 << 32) - 1:
            raise _wrong(f"process.user.{name}", "out of range")
    if not 0 <= user.get("umask", 0) <= 0o7777:
        raise _wrong("process.user.umask", "out of range")


def _namespaces(entries: list[documents.LinuxNamespace]) -> None:
    seen: set[str] = set()
    own_mounts = False
    for number, entry in enumerate(entries):
        where = f"linux.namespaces[{number}]"
        kind = entry["type"]
        if kind not in TYPES or kind in seen:
            raise _wrong(where, f"{kind!r} is {'given twice' if kind in seen else 'not known'}")
        seen.add(kind)
        own_mounts |= kind == "mount" and not entry.get("path")
    if not own_mounts:
        raise Unsupported(
            "config.json: linux.namespaces: a mount namespace of the container's own is needed"
        )


def _mount(entry: documents.Mount, where: str) -> None:
    _path(entry["destination"], f"{where}.destination")
    options = entry.get("options", [])
    bound = entry.get("type") == "bind" or "bind" in options or "rbind" in options
    uids, gids = entry.get("uidMappings", []), entry.get("gidMappings", [])
    _mappings(uids, f"{where}.uidMappings")
    _mappings(gids, f"{where}.gidMappings")
    if bool(uids) != bool(gids):
        raise _wrong(where, "uidMappings and gidMappings go together")
    if not bound and (uids or {"idmap", "ridmap"} & {*options}):
        raise Unsupported(f"config.json: {where}: ids are mapped of bind mounts alone")
    if bound and "source" not in entry:
        raise _wrong(f"{where}.source", "missing")
    if not bound and "type" not in entry:
        raise _wrong(f"{where}.type", "missing")


def _mappings(rows: list[documents.LinuxIdMapping], where: str) -> None:
    for number, row in enumerate(rows):
        for key, value in (("containerID", row["containerID"]), ("hostID", row["hostID"]),
                           ("size", row["size"])):  # fmt: skip
            if not 0 <= value < 1 << 32:
                raise _wrong(f"{where}[{number}].{key}", "out of range")


_MAJORS, _MINORS = 1 << 12, 1 << 20


def _device(device: documents.LinuxDevice, where: str) -> None:
    _path(device["path"], f"{where}.path")
    kind = device["type"]
    if kind == "p":
        raise Unsupported(f"config.json: {where}: a FIFO is not made here")
    if kind not in ("c", "b", "u"):
        raise _wrong(f"{where}.type", f"{kind!r} is not known")
    for name, number, limit in (("major", device.get("major", -1), _MAJORS),
                                ("minor", device.get("minor", -1), _MINORS),
                                ("fileMode", device.get("fileMode", 0), 1 << 16),
                                ("uid", device.get("uid", 0), (1 << 32) - 1),
                                ("gid", device.get("gid", 0), (1 << 32) - 1)):  # fmt: skip
        if not 0 <= number < limit:
            raise _wrong(f"{where}.{name}", "out of range" if name in device else "missing")
