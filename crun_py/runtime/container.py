"""From an OCI runtime spec to the plan that makes the container.

The order is the container's life up to its command, read from top to bottom in `plan_for`.
"""

from __future__ import annotations

import os
import stat
from _struct import pack

from crun_py import ns, quantity
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.model.spec import DEFAULT_SECCOMP, MOUNT_CONTEXT, OPTIONAL_SYSCTLS, RLIMITS
from crun_py.ns import caps
from crun_py.paths import has_one_id
from crun_py.runtime import plan as p
from crun_py.runtime.check import POLICIES, SCHEDULER_FLAGS
from crun_py.runtime.mount_options import PROPAGATION, Options
from crun_py.runtime.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import Linux, Mount, Process, Spec
    from crun_py.ns.seccomp import Filter
    from crun_py.overlay.rootfs import RootFs

_OPTIONAL = ("mqueue", "cgroup")
_LABELLED_OTHERWISE = ("proc", "sysfs", "cgroup", "mqueue")
"""File systems that the policy labels itself, or that are one for many mounts: the kernel refuses
mount options for labels there (mqueue's is the ipc namespace's)."""


def plan_for(
    spec: Spec,
    rootfs: RootFs | None,
    *,
    joined: dict[str, int],
    attached: dict[str, int] | None = None,
    seccomp: Filter | None,
    reap: bool,
    keyring: bool = True,
    stay: bool = False,
) -> Plan:
    """The plan for the container of `spec`; the monitor's own steps come in lifecycle.py.

    rootfs:    the overlay to mount at the spec's root path; None: that path is the root.
    joined:    descriptors of the namespaces to enter, by the spec's type names.
    attached:  descriptors of detached mounts, by the destination of the mount they stand for.
    seccomp:   the filter, None for none.
    reap:      a small init stays pid 1 (--init).
    keyring:   a session keyring of its own.
    stay:      no command is executed: init stays, and holds its namespaces.
    """
    plan = Plan()
    process = spec["process"]
    linux = spec["linux"]
    new = {n["type"] for n in linux["namespaces"]} - joined.keys()
    first_steps(plan, process)
    _enter_namespaces(plan, new, joined)
    context = _label(plan, spec)
    _root(plan, spec, rootfs, (attached or {}).get("/"))
    apart = any(n["type"] == "cgroup" for n in linux["namespaces"])
    for entry in spec["mounts"]:
        if entry.get("type") == "cgroup" and not apart:
            _hosts_cgroup(plan, entry)
        else:
            _mount(plan, entry, (attached or {}).get(entry["destination"]), context)
    _devices(plan, linux)
    if process.get("terminal"):
        plan.add(p.TERMINAL, a=process["user"]["uid"], b=1, c="pid" in joined)
    for path in linux.get("maskedPaths", ()):
        plan.add(p.MASK, path)
    for path in linux.get("readonlyPaths", ()):
        plan.add(p.READONLY, path)
    plan.add(p.MKDIR, process["cwd"])
    if personality := linux.get("personality"):
        plan.add(p.PERSONALITY, a=_PERSONALITIES[personality["domain"]])
    if "network" in new:
        plan.add(p.LOOPBACK)
    optional = spec.get("annotations", {}).get(OPTIONAL_SYSCTLS, "").split(",")
    for key, value in linux.get("sysctl", {}).items():
        plan.add(p.SYSCTL, key.replace(".", "/"), value, a=key in optional)
    plan.add(p.CLEAR)
    plan.add(p.PIVOT)
    if word := linux.get("rootfsPropagation"):
        deep = ns.MS_REC if word not in PROPAGATION else 0
        plan.add(p.PROPAGATION, a=deep | PROPAGATION[word[1:] if deep else word])
    if spec["root"].get("readonly"):
        plan.add(p.ROOTFLAGS, a=ns.RDONLY)
    if "uts" in new:
        if name := spec.get("hostname"):
            plan.add(p.HOSTNAME, name)
        if name := spec.get("domainname"):
            plan.add(p.DOMAINNAME, name)
    if keyring:
        plan.add(p.KEYRING)
    process_steps(plan, process, seccomp, reap=reap, enter_pid="pid" in joined, stay=stay)
    return plan


def hold(plan: Plan) -> None:
    """Let the container wait, with everything made, before its command is executed."""
    at = next(i for i, step in enumerate(plan.steps) if step.op in (p.INIT, p.EXEC, p.STAY))
    plan.steps.insert(at, p.Step(p.GATE, 0, 0, 0, ()))


def clone_flags(spec: Spec, joined: dict[str, int]) -> int:
    """Flags for clone(2): new namespaces, but the cgroup one, which must be made from inside
    the container's cgroup (cgroup_namespaces(7)), and those of users and time, which are there."""
    flags = 0
    for entry in spec["linux"]["namespaces"]:
        if entry["type"] not in joined and entry["type"] not in ("cgroup", "user", "time"):
            flags |= ns.TYPES[entry["type"]]
    return flags


def _enter_namespaces(plan: Plan, new: set[str], joined: dict[str, int]) -> None:
    for kind in ("ipc", "uts", "network", "cgroup"):
        if kind in joined:
            plan.add(p.SETNS, a=joined[kind], b=ns.TYPES[kind])
    if "cgroup" in new:
        plan.add(p.UNSHARE, a=ns.CLONE_NEWCGROUP)


_ANYWHERE = "/proc/fs"
"""A directory that is always there, that any user may enter and nobody misses: a root that was
mounted outside is attached on it until it becomes /."""


def _root(plan: Plan, spec: Spec, rootfs: RootFs | None, attached: int | None) -> None:
    plan.add(p.PROPAGATION, a=ns.MS_SLAVE | ns.MS_REC)
    if attached is not None:
        plan.add(p.ATTACH, _ANYWHERE, a=attached, b=1 | ns.NODEV << 1)
        return
    if rootfs is None:
        follows = spec["linux"].get("rootfsPropagation", "") in ("slave", "rslave")
        plan.add(p.BINDROOT, spec["root"]["path"], a=ns.NODEV, c=follows and ns.MS_SLAVE)
        return
    where, upper, work = spec["root"]["path"], rootfs.upper, rootfs.work
    flags = 0 if rootfs.devices else ns.NODEV
    plan.add(p.OVERLAY, where, rootfs.options, upper, work, *rootfs.lowers, a=flags)


def _label(plan: Plan, spec: Spec) -> str:
    """The mount option that labels what is mounted, "" for none; what has no such option, and what
    the core helper makes by itself, is labelled by that."""
    label = spec["linux"].get("mountLabel", "")
    if not label:
        return ""
    from crun_py.ns import selinux

    plan.add(p.LABEL, label)
    nested = spec.get("annotations", {}).get(MOUNT_CONTEXT) == "rootcontext"
    return selinux.context(label, nested=nested)


def _mount(plan: Plan, entry: Mount, attached: int | None, context: str) -> None:
    options, source = Options(entry.get("options", [])), entry.get("source", "")
    flags, propagation, data = options.flags, options.propagation, options.data
    kind, target = entry.get("type", "bind"), entry["destination"]
    bound = kind == "bind" or "bind" in entry.get("options", ()) or options.recursive
    if options.remount:
        flags |= ns.MS_REMOUNT | (ns.MS_BIND if bound else 0)
        plan.add(p.MOUNT, source, target, kind, ",".join(data), a=flags)
        return
    if bound or attached is not None:
        flags &= ns.RDONLY | ns.NOSUID | ns.NODEV | ns.NOEXEC
        if flags & ns.RDONLY and not options.all_read_only:
            flags ^= ns.RDONLY | ns.RDONLY_TOP
        propagation = propagation or ns.MS_PRIVATE
        if attached is None:
            plan.add(p.BIND, source, target, a=flags, b=options.recursive, c=propagation)
        else:
            plan.add(p.ATTACH, target, a=attached, b=flags << 1, c=propagation)
        return
    if "tmpcopyup" in data:
        raise Unsupported(f"config.json: mounts: {target}: tmpcopyup is not done here")
    if context and kind not in _LABELLED_OTHERWISE:
        data.append(context)
    by_attribute = bool(context) and kind == "mqueue"
    optional = (kind in _OPTIONAL) | by_attribute << 1
    kind = "cgroup2" if kind == "cgroup" else kind
    # as other runtimes: what is not said of a tmpfs is that of the directory it covers
    said = [option.partition("=")[0] for option in data]
    like = sum(bit for bit, name in ((1, "mode"), (2, "uid"), (4, "gid")) if name not in said)
    covered = like if kind == "tmpfs" and like & 1 else 0
    plan.add(p.MOUNT, source, target, kind, ",".join(data), a=flags, b=optional, c=covered)


def _hosts_cgroup(plan: Plan, entry: Mount) -> None:
    """Without a namespace of its own a container sees the host's mount: a new one would give all of
    the host's the options that it has itself, or not (nsdelegate, memory_recursiveprot)."""
    from crun_py.cgroup import group

    if place := group.mount_point():
        bound: Mount = {**entry, "type": "bind", "source": place}
        _mount(plan, bound, None, "")


_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/ptmx": "pts/ptmx",
    "/dev/core": "/proc/kcore",
}


def _devices(plan: Plan, linux: Linux) -> None:
    """Nodes of the container's own, or (where none can be made) the host's, read-only.  All
    else in the container is nodev, so that a node made with CAP_MKNOD opens nothing, without
    a device cgroup."""
    for device in linux.get("devices", ()):
        if "source" in device:  # as it is now: numbers change when it is plugged in again
            plan.add(p.DEVICE, device["source"], device["path"])
            continue
        mode = (stat.S_IFBLK if device["type"] == "b" else stat.S_IFCHR) | device.get(
            "fileMode", 0o666
        )
        owner = device.get("uid", 0) | device.get("gid", 0) << 32
        number = os.makedev(device["major"], device["minor"])
        plan.add(p.DEVICE, device["path"], device["path"], a=mode, b=number, c=owner)
    for path, text in _LINKS.items():
        plan.add(p.SYMLINK, text, path)


def first_steps(plan: Plan, process: Process) -> None:
    """What is done where /proc is still the one that shows us."""
    if "oomScoreAdj" in process:
        plan.add(p.OOMSCORE, a=process["oomScoreAdj"])
    if label := process.get("selinuxLabel"):  # the session keyring is the process's own
        from crun_py.ns import selinux

        plan.add(p.CONFINE, label, *selinux.KEYS)


def joining_steps(plan: Plan, pidfd: int, flags: int, process: Process) -> None:
    """The first steps of a further process: into the namespaces (`flags`) of the one that `pidfd`
    means, but that of pids, which comes last."""
    first_steps(plan, process)
    plan.add(p.SETNS, a=pidfd, b=flags)
    plan.add(p.ENTERROOT)
    if process.get("terminal"):
        plan.add(p.TERMINAL, a=process["user"]["uid"], c=True)
    plan.add(p.KEYRING)


def process_steps(
    plan: Plan,
    process: Process,
    seccomp: Filter | None,
    *,
    reap: bool = False,
    enter_pid: bool = False,
    stay: bool = False,
) -> None:
    """The last steps, the same for a container's first process and for exec.

    enter_pid: the process joins a pid namespace, as the very last thing: those in it who may
    trace it get no more than they have.

    Without no_new_privs a filter needs CAP_SYS_ADMIN, so it is loaded while we have it;
    with no_new_privs it is loaded last (seccomp(2)).
    """
    for limit in process.get("rlimits", ()):
        name = limit["type"].removeprefix("RLIMIT_").lower()
        if name not in RLIMITS:
            raise InvalidArgument(f"rlimit {limit['type']}: not known")
        plan.add(p.RLIMIT, a=RLIMITS[name], b=limit["soft"], c=limit["hard"])
    _manner(plan, process)
    if enter_pid and (final := process.get("execCPUAffinity", {}).get("final")):
        plan.add(p.AFFINITY, _cpu_set(quantity.cpus(final, "execCPUAffinity.final")))
    plan.add(p.CHDIR, process["cwd"])
    user = process["user"]
    plan.add(p.UMASK, a=user.get("umask", 0o022))
    last = process.get("noNewPrivileges", False)
    if seccomp and not last:
        plan.add(p.SECCOMP, seccomp[0], a=seccomp[1])
    sets = process["capabilities"]
    plan.add(p.BOUNDING, a=caps.mask(sets["bounding"]))
    groups = b"".join(g.to_bytes(4, "little") for g in user.get("additionalGids", ()))
    keep = user.get("keepGroups", False)
    if has_one_id():
        keep = True
        if user["uid"] or user["gid"]:
            raise Unsupported(
                f"user {user['uid']}:{user['gid']}: there is no id but root's here",
                hint="more ids: /etc/subuid and /etc/subgid, `crunpy doctor`",
            )
    plan.add(p.USER, groups, a=user["uid"], b=user["gid"], c=keep)
    effective, inheritable = caps.mask(sets["effective"]), caps.mask(sets["inheritable"])
    if further := caps.mask(sets["permitted"]) & ~effective:
        plan.add(p.PERMITTED, a=further)
    plan.add(p.CAPS, a=effective, b=inheritable, c=caps.mask(sets["ambient"]))
    if last:
        plan.add(p.NONEWPRIVS)
        if seccomp:
            plan.add(p.SECCOMP, seccomp[0], a=seccomp[1])
    if enter_pid:
        plan.add(p.ENTERPID)
    if stay:
        plan.add(p.STAY)
        return
    plan.add(p.ENV, *process["env"])
    if reap:
        plan.add(p.INIT)
    if profile := process.get("apparmorProfile"):
        from crun_py.ns import apparmor

        text, files = apparmor.confine(profile)
        plan.add(p.CONFINE, text, *files)
    if label := process.get("selinuxLabel"):
        from crun_py.ns import selinux

        plan.add(p.CONFINE, label, *selinux.EXEC)
    plan.add(p.EXEC, *process["args"])


_PRIORITIES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_PERSONALITIES = {"LINUX": 0, "LINUX32": 8}


def _manner(plan: Plan, process: Process) -> None:
    """How the kernel is to run it: ioPriority, scheduler (config.md, "Linux Process")."""
    if priority := process.get("ioPriority"):
        kind = _PRIORITIES[priority["class"]]
        plan.add(p.IOPRIO, a=kind << 13 | priority.get("priority", 0))
    if scheduler := process.get("scheduler"):
        flags = sum(SCHEDULER_FLAGS[name] for name in scheduler.get("flags", ()))
        plan.add(p.SCHEDULER, pack(
            "<IIQiIQQQII", _SCHED_ATTR_BYTES, POLICIES[scheduler["policy"]], flags,
            scheduler.get("nice", 0), scheduler.get("priority", 0), scheduler.get("runtime", 0),
            scheduler.get("deadline", 0), scheduler.get("period", 0), 0, 0,
        ))  # fmt: skip


def _cpu_set(cpus: set[int]) -> bytes:
    """cpu_set_t, in longs (sched_setaffinity(2))."""
    mask = sum(1 << cpu for cpu in cpus)
    return mask.to_bytes(8 * (max(cpus) // 64 + 1), "little")


_SCHED_ATTR_BYTES = 56
"""struct sched_attr, sched_setattr(2)."""


def seccomp_filter(spec: Spec, cache_dir: str) -> Filter | None:
    """The filter that `spec` asks for; compiled programs are kept in `cache_dir`."""
    from crun_py.ns import seccomp

    if spec.get("annotations", {}).get(DEFAULT_SECCOMP) == "default":
        names = spec["process"]["capabilities"]["bounding"]
        return seccomp.compiled_default(names, cache_dir), 0
    if "seccomp" in spec["linux"]:
        return seccomp.compiled(spec["linux"]["seccomp"])
    return None
