"""The OCI runtime spec (config.json) of a container, from what was asked for.

`build` is pure: options, image config and facts about the host in, a plain dict out (OCI
runtime-spec 1.1, config.md and config-linux.md).  The runtime half (ns/container.py) reads
nothing else, so any OCI runtime could carry it out.
"""

from __future__ import annotations

from crun_py import quantity
from crun_py.errors import InvalidArgument
from crun_py.ns import caps
from crun_py.ns.plan import RLIMIT_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.ns.users import User

OCI_VERSION = "1.1.0"

DEFAULT_SECCOMP = "io.crunpy.seccomp"
"""Annotation: "default" stands for the built-in profile, which depends on the capabilities."""

OPTIONAL_SYSCTLS = "io.crunpy.sysctl.optional"
"""Annotation: keys of linux.sysctl, with commas between, that a host need not have."""

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

RLIMITS = {name: number for number, name in enumerate(RLIMIT_NAMES)}
"""Names of getrlimit(2), as --ulimit takes them, and the kernel's numbers."""


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


def mount(kind: str, source: str, destination: str, *options: str) -> dict[str, Any]:
    """One entry of the spec's `mounts`."""
    return {
        "type": kind,
        "source": source,
        "destination": destination,
        "options": list(options),
    }


def default_mounts(
    host: Host, shm_bytes: int, *, host_network: bool, devices: bool = False
) -> list[dict[str, Any]]:
    """What every container has below /proc, /dev and /sys, with docker's options.

    devices: nodes in /dev may be made and opened; else they are bound and /dev is nodev.
    """
    dev = () if devices else ("nodev",)
    quiet = ("nosuid", "noexec", "nodev")
    pts = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")
    if host.in_userns and host_network:
        # sysfs belongs to the network namespace's owner, which is not us
        sysfs = mount("bind", "/sys", "/sys", "rbind", "ro", *quiet)
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


def capabilities(names: list[str], user: User, added: bool) -> dict[str, list[str]]:
    """The five sets.  A user other than root has none but those added, which are then
    ambient too; inheritable stays empty for root (CVE-2022-24769)."""
    if user.uid == 0:
        return {
            "bounding": names,
            "effective": names,
            "permitted": names,
            "inheritable": [],
            "ambient": [],
        }
    own = names if added else []
    return {
        "bounding": names,
        "effective": own,
        "permitted": own,
        "inheritable": own,
        "ambient": own,
    }


def check_security(options: list[str]) -> None:
    """Raises InvalidArgument for a --security-opt that is not known."""
    _security(options)


def _security(options: list[str]) -> tuple[bool, str, list[str], list[str]]:
    """no_new_privileges, seccomp (a path, "default" or "unconfined"), mask, unmask."""
    no_new_privileges, seccomp = False, "default"
    mask: list[str] = []
    unmask: list[str] = []
    for option in options:
        key, sep, value = option.partition("=")
        if not sep:
            key, sep, value = option.partition(":")
        if key == "no-new-privileges":
            no_new_privileges = value in ("", "true")
        elif key == "seccomp" and value:
            seccomp = "default" if value in ("builtin", "default") else value
        elif key in ("mask", "unmask") and value:
            (mask if key == "mask" else unmask).extend(value.split(":"))
        elif key in ("label", "apparmor", "systempaths"):
            if key == "systempaths" and value == "unconfined":
                unmask.append("ALL")
        else:
            raise InvalidArgument(
                f"security option {option}: not known",
                hint="known: no-new-privileges, seccomp=, mask=, unmask=, label=, apparmor=",
            )
    return no_new_privileges, seccomp, mask, unmask


def rlimits(options: list[str], hard_nofile: int) -> list[dict[str, Any]]:
    """--ulimit NAME=SOFT[:HARD], or host for all of the caller's, as the spec says it; nofile is
    raised to the hard limit (at most 1048576) unless named."""
    chosen: dict[str, dict[str, Any]] = {}
    limit = min(hard_nofile, 1048576)
    chosen["nofile"] = {"type": "RLIMIT_NOFILE", "soft": limit, "hard": limit}
    if "host" in options:
        import resource

        for name, number in RLIMITS.items():
            given = resource.getrlimit(number)
            soft_n, hard_n = ((1 << 64) - 1 if n == resource.RLIM_INFINITY else n for n in given)
            chosen[name] = {"type": "RLIMIT_" + name.upper(), "soft": soft_n, "hard": hard_n}
    for option in options:
        if option == "host":
            continue
        name, _, values = option.partition("=")
        soft, _, hard = values.partition(":")
        try:
            numbers = [
                -1 if v in ("-1", "unlimited") else quantity.whole(v, "ulimit")
                for v in (soft, hard or soft)
            ]
        except InvalidArgument:
            numbers = []
        if name not in RLIMITS or not numbers:
            raise InvalidArgument(
                f"ulimit {option}: not NAME=SOFT[:HARD]",
                hint="names: " + ", ".join(RLIMITS),
            )
        soft_n, hard_n = ((1 << 64) - 1 if n == -1 else n for n in numbers)
        if soft_n > hard_n:
            raise InvalidArgument(f"ulimit {option}: the soft limit is above the hard one")
        chosen[name] = {"type": "RLIMIT_" + name.upper(), "soft": soft_n, "hard": hard_n}
    return list(chosen.values())


def build(
    *,
    args: list[str],
    env: list[str],
    cwd: str,
    user: User,
    terminal: bool,
    hostname: str,
    options: dict[str, Any],
    namespaces: list[dict[str, Any]],
    mounts: list[dict[str, Any]],
    host: Host,
    rootfs: str,
    systemd: bool = False,
) -> dict[str, Any]:
    """The whole config.json.

    systemd: it is the command: its units may make namespaces under the default filter.
    options: the values of the command line's options of the same names (cap_add, cap_drop,
    privileged, security_opt, ulimit, read_only, sysctl, oom_score_adj, init, umask).
    Raises InvalidArgument for those that make no sense.
    """
    privileged = bool(options.get("privileged"))
    added = bool(options.get("cap_add")) or privileged
    names = sorted(
        caps.compute(
            options.get("cap_add") or (),
            options.get("cap_drop") or (),
            privileged,
            options.get("default_capabilities", caps.DEFAULT),
        )
    )
    no_new_privileges, seccomp, mask, unmask = _security(options.get("security_opt") or [])
    hide_nothing = privileged or "ALL" in unmask
    linux: dict[str, Any] = {
        "namespaces": namespaces,
        "maskedPaths": []
        if hide_nothing
        else [p for p in (*MASKED, *host.thermal, *mask) if p not in unmask],
        "readonlyPaths": [] if hide_nothing else [p for p in READONLY if p not in unmask],
        "devices": [
            {"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 0o666}
            for path, major, minor in DEVICES
        ],
    }
    if options.get("sysctl"):
        linux["sysctl"] = sysctls(options["sysctl"], namespaces)
    annotations: dict[str, str] = {}
    if privileged and seccomp == "default":
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
    process: dict[str, Any] = {
        "terminal": terminal,
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "additionalGids": user.gids,
            "umask": int(options.get("umask") or "0022", 8),
        },
        "args": args,
        "env": env,
        "cwd": cwd,
        "capabilities": capabilities(names, user, added),
        "rlimits": rlimits(options.get("ulimit") or [], host.hard_nofile),
        "noNewPrivileges": no_new_privileges,
    }
    if options.get("oom_score_adj"):
        process["oomScoreAdj"] = int(options["oom_score_adj"])
    return {
        "ociVersion": OCI_VERSION,
        "process": process,
        "root": {"path": rootfs, "readonly": bool(options.get("read_only"))},
        "hostname": hostname,
        "mounts": mounts,
        "linux": linux,
        "annotations": annotations,
    }


_OWN_SYSCTLS = {
    "network": ("net.",),
    "ipc": ("kernel.msg", "kernel.sem", "kernel.shm", "fs.mqueue."),
    "uts": ("kernel.domainname",),
}


def sysctls(options: list[str], namespaces: list[dict[str, Any]]) -> dict[str, str]:
    """--sysctl KEY=VALUE, if it belongs to a namespace of the container's own (CVE-2022-0811)."""
    own = {n["type"] for n in namespaces if "path" not in n}
    allowed = tuple(prefix for kind in own for prefix in _OWN_SYSCTLS.get(kind, ()))
    result = {}
    for option in options:
        key, sep, value = option.partition("=")
        plain = key.replace("/", ".")
        good = all(c.isalnum() or c in "._-" for c in plain) and ".." not in plain
        if not sep or not good or "\n" in value:
            raise InvalidArgument(f"sysctl {option!r}: not KEY=VALUE")
        if not plain.startswith(allowed or ("\0",)):
            raise InvalidArgument(
                f"sysctl {plain}: not in a namespace of the container's own",
                hint="only net.*, kernel.msg*, kernel.sem, kernel.shm*, fs.mqueue.* can be set",
            )
        result[plain] = value
    return result
