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
    fix = boot_with(host)
    how = "" if fix else f" ({delegation.ALONE})"
    yield host.warning(name, f"{what}: containers have no limits{how}", fix)


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
    shell = str(os.getppid())
    missing = [word for word in _NEEDED if word not in found]
    if base is None:
        fix = delegation.command(top, shell=shell)
        yield host.warning(name, "containers have no control groups: no pause, no limits", fix)
    elif missing:
        options = ", ".join(_OPTIONS[word] for word in missing)
        fix = delegation.command(top, missing[0], shell)
        yield host.warning(name, f"no {', '.join(missing)} for us: {options} fail", fix)
    else:
        yield host.ok(name, f"{' '.join(found)}, by {manager}")
