"""What a plain user must be given so that containers have cgroups with limits, in exact commands.

cgroups(7), "Delegating a hierarchy to a less privileged user"; systemd.resource-control(5).
"""

from __future__ import annotations

import os

from crun_py.paths import host_uid

BOOTED = "/run/systemd/system"  # sd_booted(3)
PARAMETER = "systemd.unified_cgroup_hierarchy=1"
ALONE = f"boot with cgroup v2 alone: kernel parameter {PARAMETER}"
_UNIFIED = "/sys/fs/cgroup"


def hint(top: str, controller: str = "") -> str:
    """What to do so that we may make cgroups; controller: that have this one.

    top: where cgroup2 is mounted, "" for nowhere.
    """
    uid = _uid()
    if not top or (controller and top != _UNIFIED):
        return ALONE
    if uid == 0:
        return f"the kernel has no {controller} controller: cat {top}/cgroup.controllers"
    if found := command(top, uid, controller):
        return f"as root: {found}" + (", PID being that of your shell" if "PID" in found else "")
    return "with --cgroup-manager systemd, or inside of systemd-run --user --scope -p Delegate=yes"


def _uid() -> int:
    """Us, as the root that is to help knows us: outside of a user namespace that we made, but
    inside of one that a container has which we are root of."""
    try:
        first = os.readlink("/proc/1/ns/user") == os.readlink("/proc/self/ns/user")
    except OSError:  # that process is not ours to look at
        first = False
    return os.geteuid() if first else host_uid()


def command(top: str, uid: int, controller: str = "", shell: str = "PID") -> str:
    """What root can do so that a plain user may make cgroups, "" for nothing.

    top (not ""), controller: as of `hint`.  uid: the user.  shell: the process that is to be in a
    group of his, where there is no systemd to put it there.
    """
    if uid == 0:
        return ""
    if not os.path.isdir(BOOTED):
        return _by_hand(top, uid, shell)
    service = f"{top}/user.slice/user-{uid}.slice/user@{uid}.service"
    if not os.path.isdir(service):
        return f"loginctl enable-linger {uid}"
    if controller and not _has(service, controller):
        return (
            "mkdir -p /etc/systemd/system/user@.service.d; "
            "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' "
            "> /etc/systemd/system/user@.service.d/delegate.conf; systemctl daemon-reload; "
            f"systemctl restart user@{uid}"
        )
    return ""


def _by_hand(top: str, uid: int, shell: str) -> str:
    """Without systemd, in which a shell and what it starts are then."""
    controllers = "+cpuset +cpu +io +memory +pids"
    on = f"echo '{controllers}' > {top}/cgroup.subtree_control; " if top == _UNIFIED else ""
    return (
        f"{on}d={top}/user-{uid}; mkdir -p $d/shell; chown -R {uid} $d; "
        f"echo {shell} > $d/shell/cgroup.procs"
    )


def _has(directory: str, controller: str) -> bool:
    try:
        with open(directory + "/cgroup.controllers", encoding="ascii") as f:
            return controller in f.read().split()
    except OSError:
        return False
