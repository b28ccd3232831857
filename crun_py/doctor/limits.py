"""Control groups: whether limits hold, and whether a plain user has controllers of his own."""

from __future__ import annotations

import os

from crun_py.cgroup import delegation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding

_NEEDED = ("memory", "pids", "cpu", "cpuset", "io")
_OPTIONS = {"memory": "--memory", "pids": "--pids-limit", "cpu": "--cpus",
            "cpuset": "--cpuset-cpus", "io": "--device-read-bps"}  # fmt: skip


def hierarchy(host: Host, top: str) -> Iterator[Finding]:
    """Whether there is cgroup v2 alone.  top: where cgroup2 is mounted, "" for nowhere."""
    name = "cgroup v2"
    if top == "/sys/fs/cgroup":
        yield host.ok(name, f"at {top}")
        return
    what = f"beside v1, at {top}" if top else "not mounted"
    fix = "" if host.outer else boot_with(host)
    where = "on the machine: " if host.outer else ""
    how = "" if fix else f" ({where}{delegation.ALONE})"
    yield host.warning(name, f"{what}: containers have no limits{how}", fix, machine=True)


def boot_with(host: Host) -> str:
    """The command after which the next boot has cgroup v2 alone, "" where none is known."""
    word = delegation.PARAMETER
    if host.program("grubby"):
        return f"grubby --update-kernel=ALL --args={word} && reboot"
    if host.program("update-grub"):
        edit = f's/^GRUB_CMDLINE_LINUX="/&{word} /'
        return f"sed -i '{edit}' /etc/default/grub && update-grub && reboot"
    return ""


def controllers(
    host: Host, top: str, manager: str, base: str | None, found: Sequence[str]
) -> Iterator[Finding]:
    """Whether containers' groups have the controllers that limits need.

    manager: systemd or cgroupfs, who makes them, base: where, None for nowhere; found: the
    controllers there.
    """
    name = "limits"
    if not top:
        return
    missing = [word for word in _NEEDED if word not in found]
    fix = delegation.command(top, host.uid, missing[0] if base and missing else "",
                             str(os.getppid()))  # fmt: skip
    sealed = host.outer and any(point == top and "ro" in how for point, how in host.mounts())
    if sealed:
        fix = host.outside("--privileged")
    if base is None:
        what = "containers have no control groups: no pause, no limits"
        yield host.warning(name, what, fix, machine=bool(sealed))
    elif missing:
        options = ", ".join(_OPTIONS[word] for word in missing)
        what = f"no {', '.join(missing)} for us: {options} fail"
        yield host.warning(name, what, fix, machine=bool(sealed))
    else:
        yield host.ok(name, f"{' '.join(found)}, by {manager}")
