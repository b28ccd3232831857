"""The OCI runtime spec (config.json) of a container, from what was asked for.

`build` is pure: options, image config and facts about the host in, a plain dict out (OCI
runtime-spec 1.1, config.md and config-linux.md).  The runtime half (runtime/container.py) reads
nothing else, so any OCI runtime could carry it out.
"""

from __future__ import annotations

from crun_py import ns
from crun_py.errors import InvalidArgument
from crun_py.model.spec import DEFAULT_SECCOMP, MOUNT_CONTEXT, OPTIONAL_SYSCTLS, RLIMITS
from crun_py.ns import caps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crun_py.documents.container import UserNamespace
    from crun_py.documents.spec import (
        Capabilities,
        Linux,
        LinuxDevice,
        LinuxIdMapping,
        LinuxNamespace,
        LinuxResources,
        Mount,
        Process,
        Rlimit,
        Spec,
    )
    from crun_py.model.container import CreateRequest, Ulimit
    from crun_py.ns.selinux import Labels
    from crun_py.ns.users import User

OCI_VERSION = "1.1.0"

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)


class Host:
    """What the spec depends on besides the options.

    in_userns:   the process is in a user namespace of its own or its container's.
    hard_nofile: RLIMIT_NOFILE's hard limit.
    gid_tty:     gid 5 is mapped, so devpts may use it.
    highest_gid: the last one that is mapped.
    """

    __slots__ = ("gid_tty", "hard_nofile", "highest_gid", "in_userns", "thermal")

    def __init__(
        self,
        *,
        in_userns: bool,
        hard_nofile: int,
        gid_tty: bool = True,
        highest_gid: int = (1 << 31) - 1,
        thermal: list[str] | None = None,
    ) -> None:
        self.in_userns, self.hard_nofile = in_userns, hard_nofile
        self.gid_tty, self.thermal = gid_tty, thermal or []
        self.highest_gid = highest_gid


def mount(kind: str, source: str, destination: str, *options: str) -> Mount:
    """One entry of the spec's `mounts`."""
    return {
        "type": kind,
        "source": source,
        "destination": destination,
        "options": list(options),
    }


def default_mounts(
    host: Host, shm_bytes: int, *, host_network: bool, devices: bool = False
) -> list[Mount]:
    """What every container has below /proc, /dev and /sys, with docker's options.

    devices: nodes in /dev may be made and opened; else they are bound and /dev is nodev.
    """
    dev = () if devices else ("nodev",)
    quiet = ("nosuid", "noexec", "nodev")
    pts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")
    if host.in_userns and host_network:
        # sysfs belongs to the network namespace's owner, which is not us
        sysfs = mount("bind", "/sys", "/sys", "rbind", "rro", *quiet)
    else:
        sysfs = mount("sysfs", "sysfs", "/sys", "ro", *quiet)
    mounts = [
        mount("proc", "proc", "/proc", *quiet),
        mount("tmpfs", "tmpfs", "/dev", "nosuid", *dev, "strictatime", "mode=755", "size=65536k"),
        mount("devpts", "devpts", "/dev/pts", *pts, *(["gid=5"] if host.gid_tty else [])),
        mount("tmpfs", "shm", "/dev/shm", *quiet, "mode=1777", f"size={shm_bytes}"),
        mount("mqueue", "mqueue", "/dev/mqueue", *quiet),
        sysfs,
    ]
    if not (host.in_userns and host_network):
        mounts.append(mount("cgroup", "cgroup", "/sys/fs/cgroup", "ro", "relatime", *quiet))
    return mounts


def capabilities(names: list[str], user: User, added: Iterable[str]) -> Capabilities:
    """The five sets.  A user other than root has none but those of `added` (--cap-add), which are
    then ambient too; inheritable stays empty for root (CVE-2022-24769)."""
    if user.uid == 0:
        return {
            "bounding": names,
            "effective": names,
            "permitted": names,
            "inheritable": [],
            "ambient": [],
        }
    wanted = {caps.canonical(name) for name in added}
    own = [name for name in names if name in wanted or "ALL" in wanted]
    return {
        "bounding": names,
        "effective": own,
        "permitted": own,
        "inheritable": own,
        "ambient": own,
    }


_MOST_FILES = 1 << 20
_INFINITY = (1 << 64) - 1


def rlimits(asked: Iterable[Ulimit], hard_nofile: int) -> list[Rlimit]:
    """The limits asked for as the spec says them; nofile is raised to the hard limit (at most
    1048576) unless named.  Raises InvalidArgument."""
    limit = min(hard_nofile, _MOST_FILES)
    chosen: dict[str, Rlimit] = {"nofile": {"type": "RLIMIT_NOFILE", "soft": limit, "hard": limit}}
    for one in asked:
        if one.name not in RLIMITS:
            raise InvalidArgument(f"ulimit {one.name}: not known", hint=", ".join(RLIMITS))
        soft, hard = (_INFINITY if n < 0 else n for n in (one.soft, one.hard))
        if soft > hard:
            raise InvalidArgument(f"ulimit {one.name}: the soft limit is above the hard one")
        chosen[one.name] = {"type": "RLIMIT_" + one.name.upper(), "soft": soft, "hard": hard}
    return list(chosen.values())


def _is_named(path: str, patterns: Sequence[str]) -> bool:
    """Whether one of them is the path, or a pattern of it, in which * is no slash."""
    if path in patterns:
        return True
    globs = [one for one in patterns if "*" in one and one.count("/") == path.count("/")]
    if not globs:
        return False
    from fnmatch import fnmatchcase

    return any(fnmatchcase(path, one) for one in globs)


def build(
    *,
    args: list[str],
    env: list[str],
    cwd: str,
    user: User,
    hostname: str,
    request: CreateRequest,
    namespaces: list[LinuxNamespace],
    mounts: list[Mount],
    host: Host,
    rootfs: str,
    devices: Iterable[LinuxDevice] = (),
    resources: LinuxResources | None = None,
    userns: UserNamespace | None = None,
    systemd: bool = False,
    apparmor: str = "",
    labels: Labels | None = None,
) -> Spec:
    """The whole config.json of a container that `request` asks for; the other arguments say what
    its image and this host make of it.

    devices: those of the host, all of which a privileged container has instead of the usual ones.
    userns: of its own.  systemd: it is the command: its units may make namespaces under the
    default filter.  apparmor: the profile that confines it.  labels: SELinux's.  Raises
    InvalidArgument.
    """
    security = request.security
    default = security.default_capabilities
    names = sorted(
        caps.compute(
            security.cap_add,
            security.cap_drop,
            security.privileged,
            caps.DEFAULT if default is None else default,
        )
    )
    seccomp = security.seccomp
    hide_nothing = security.privileged or "ALL" in security.unmask
    usual = () if security.privileged else DEVICES
    # who cannot set labels is not to find that there are some (selinux(8), is_selinux_enabled(3))
    hidden = (ns.SELINUX_FS,) if labels and not labels.nested else ()
    linux: Linux = {
        "namespaces": namespaces,
        "maskedPaths": []
        if hide_nothing
        else [
            path
            for path in (*MASKED, *host.thermal, *hidden, *security.mask)
            if not _is_named(path, security.unmask)
        ],
        "readonlyPaths": []
        if hide_nothing
        else [path for path in READONLY if not _is_named(path, security.unmask)],
        "devices": [*(_device(path, major, minor) for path, major, minor in usual), *devices],
    }
    if userns:
        linux["uidMappings"] = _mappings(userns["uids"])
        linux["gidMappings"] = _mappings(userns["gids"])
    if request.sysctls:
        linux["sysctl"] = sysctls(request.sysctls, namespaces)
    if resources:
        linux["resources"] = resources
    annotations: dict[str, str] = {}
    if security.privileged and seccomp == "default":
        seccomp = "unconfined"
    if seccomp == "default" and not systemd:
        annotations[DEFAULT_SECCOMP] = "default"
    elif seccomp != "unconfined":
        from crun_py.ns import seccomp as profiles

        linux["seccomp"] = (
            profiles.nesting_profile(names)
            if seccomp == "default"
            else profiles.load_profile(seccomp, names)
        )
    if any(n["type"] == "network" and "path" not in n for n in namespaces):
        defaults = _network_sysctls(host)
        chosen = linux.get("sysctl", {})
        annotations[OPTIONAL_SYSCTLS] = ",".join(key for key in defaults if key not in chosen)
        linux["sysctl"] = {**defaults, **chosen}
    process: Process = {
        "terminal": request.tty,
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "additionalGids": user.gids,
            "umask": request.umask,
        },
        "args": args,
        "env": env,
        "cwd": cwd,
        "capabilities": capabilities(names, user, security.cap_add),
        "rlimits": rlimits(request.ulimits, host.hard_nofile),
        "noNewPrivileges": security.no_new_privileges,
    }
    if apparmor:
        process["apparmorProfile"] = apparmor
    if labels:
        linux["mountLabel"] = labels.mount
        if labels.process:
            process["selinuxLabel"] = labels.process
        if labels.nested:
            annotations[MOUNT_CONTEXT] = "rootcontext"
            own = mount("bind", ns.SELINUX_FS, ns.SELINUX_FS, "bind", "nosuid", "noexec")
            mounts = [*mounts, own]
    if security.proc_options:
        mounts = [_with(m, security.proc_options) if m.get("type") == "proc" else m for m in mounts]
    if request.oom_score_adj:
        process["oomScoreAdj"] = request.oom_score_adj
    if request.keep_groups:
        process["user"]["keepGroups"] = True
    spec: Spec = {
        "ociVersion": OCI_VERSION,
        "process": process,
        "root": {"path": rootfs, "readonly": request.read_only},
        "hostname": hostname,
        "mounts": mounts,
        "linux": linux,
        "annotations": {**annotations, **request.annotations},
    }
    if request.domainname:
        spec["domainname"] = request.domainname
    return spec


def _with(entry: Mount, options: Iterable[str]) -> Mount:
    return {**entry, "options": [*entry.get("options", ()), *options]}


def _device(path: str, major: int, minor: int) -> LinuxDevice:
    return {"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 0o666}


def _mappings(rows: list[list[int]]) -> list[LinuxIdMapping]:
    return [{"containerID": inside, "hostID": outside, "size": n} for inside, outside, n in rows]


def _network_sysctls(host: Host) -> dict[str, str]:
    """A network namespace of the container's own lets everybody bind low ports and ping, as
    docker's, and takes no routes from whoever announces some (CVE-2020-13401)."""
    return {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": f"0 {host.highest_gid}",
        **{f"net.ipv6.conf.{name}.accept_ra": "0" for name in ("all", "default", "eth0")},
    }


_OWN_SYSCTLS = {
    "network": ("net.",),
    "ipc": ("kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue."),
    "uts": ("kernel.domainname",),
}


def sysctls(asked: dict[str, str], namespaces: list[LinuxNamespace]) -> dict[str, str]:
    """Kernel settings, if they belong to a namespace of the container's own (CVE-2022-0811)."""
    return sysctls_of(asked, {n["type"] for n in namespaces if "path" not in n})


def sysctls_of(asked: dict[str, str], own: set[str]) -> dict[str, str]:
    """The same; own: the types of the container's namespaces that are not the host's.  Raises
    InvalidArgument."""
    allowed = tuple(prefix for kind in own for prefix in _OWN_SYSCTLS.get(kind, ()))
    result = {}
    for key, value in asked.items():
        plain = key.replace("/", ".")
        good = all(c.isalnum() or c in "._-" for c in plain) and ".." not in plain
        if not good or "\n" in value:
            raise InvalidArgument(f"sysctl {f'{key}={value}'!r}: not KEY=VALUE")
        if not plain.startswith(allowed or ("\0",)):
            raise InvalidArgument(
                f"sysctl {plain}: not in a namespace of the container's own",
                hint="only net.*, kernel.msg*, kernel.sem, kernel.shm*, fs.mqueue.* can be set",
            )
        result[plain] = value
    return result
