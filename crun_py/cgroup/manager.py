"""Who makes the cgroups of containers: systemd, as scopes, where it runs; else we ourselves.

Two that write to one part of the hierarchy undo each other's limits, which is why systemd wants
to be asked (systemd.io/CGROUP_DELEGATION, "Two Key Design Rules").
"""

from __future__ import annotations

import os

from crun_py import caller
from crun_py.cgroup import group
from crun_py.errors import InvalidArgument
from crun_py.paths import host_uid

SYSTEMD, CGROUPFS = "systemd", "cgroupfs"
NAMES = (SYSTEMD, CGROUPFS)

_BOOTED = "/run/systemd/system"  # sd_booted(3)
_UNIFIED = "/sys/fs/cgroup"


def check(name: str, parent: str) -> None:
    """Raises InvalidArgument for a manager (its name; "" for whoever it is) that there is not, or
    that cannot make a cgroup below `parent`."""
    if name and name not in NAMES:
        raise InvalidArgument(f"cgroup manager {name!r}: not known", hint=" or ".join(NAMES))
    if name == SYSTEMD and parent and not _is_slice(parent):
        raise InvalidArgument(
            f"cgroup parent {parent!r}: not the name of a slice, which systemd wants",
            hint="--cgroup-parent NAME.slice, or --cgroup-manager cgroupfs",
        )
    if name == CGROUPFS and _is_slice(parent):
        raise InvalidArgument(
            f"cgroup parent {parent!r}: a slice of systemd, and the cgroup manager is cgroupfs",
            hint="--cgroup-manager systemd, or the path of a cgroup",
        )


def _is_slice(parent: str) -> bool:
    return parent.endswith(".slice")


def chosen(asked: str, parent: str, *, rootless: bool) -> str:
    """SYSTEMD or CGROUPFS for a container.

    asked: the one that is wanted, "" for systemd where it is there.  parent: the cgroup or slice
    above the container's, "" for the usual one.
    """
    if asked:
        return asked
    if parent and not _is_slice(parent):
        return CGROUPFS
    return SYSTEMD if bus(rootless=rootless) else CGROUPFS


def bus(*, rootless: bool) -> str:
    """The socket of the bus on which the systemd that manages our cgroups is asked; "" when
    there is none, or it has no pure cgroup v2 hierarchy."""
    if not os.path.isdir(_BOOTED) or group.mount_point() != _UNIFIED:
        return ""
    for path in _user_buses() if rootless else ("/run/dbus/system_bus_socket",):
        if os.path.exists(path):
            return path
    return ""


def _user_buses() -> list[str]:
    """Where the bus of a plain user's service manager may be (systemd's, for each user)."""
    found = []
    address = caller.variable("DBUS_SESSION_BUS_ADDRESS")
    for text in address.split(";"):
        if text.startswith("unix:path="):
            found.append(text[len("unix:path=") :].partition(",")[0])
    if directory := caller.variable("XDG_RUNTIME_DIR"):
        found.append(directory + "/bus")

    return [*found, f"/run/user/{host_uid()}/bus"]


def base(name: str, *, rootless: bool) -> str | None:
    """The directory below which manager `name` makes our groups, None when it makes none."""
    if name == CGROUPFS:
        return group.base()
    if not rootless:
        return _UNIFIED + "/machine.slice"

    uid = host_uid()
    return f"{_UNIFIED}/user.slice/user-{uid}.slice/user@{uid}.service/user.slice"


def is_scope(path: str | None) -> bool:
    """Whether a container's cgroup is a scope of systemd's."""
    return bool(path) and str(path).endswith(".scope")


def unit(container_id: str) -> str:
    """The name of a container's scope."""
    return f"crunpy-{container_id}.scope"


def likely(container_id: str, parent: str) -> list[str]:
    """Where the cgroup of a container may be of which nobody noted it.  parent: as for `chosen`."""
    own = group.base()
    found = [f"{own}/{container_id}"] if own else []
    if not os.path.isdir(_BOOTED):
        return found

    top = base(SYSTEMD, rootless=host_uid() != 0) or ""
    if _is_slice(parent):
        top = os.path.dirname(top) + slice_path(os.path.basename(parent))
    return [*found, f"{top}/{unit(container_id)}"]


def slice_path(name: str) -> str:
    """The path of slice `a-b.slice` below the root of slices: /a.slice/a-b.slice
    (systemd.slice(5))."""
    if name == "-.slice":
        return ""
    words = name.removesuffix(".slice").split("-")
    return "".join(f"/{'-'.join(words[:n])}.slice" for n in range(1, len(words) + 1))
