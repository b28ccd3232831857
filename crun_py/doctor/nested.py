"""Within a container of another engine: what that one must be told to allow (docs/ci.md)."""

from __future__ import annotations

from crun_py.doctor.outer import KUBERNETES
from crun_py.ns import subids
from crun_py.ns.caps import NUMBERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding

_CAPABILITIES = (
    ("SYS_ADMIN", False), ("NET_ADMIN", True), ("CHOWN", True), ("DAC_OVERRIDE", True),
    ("FOWNER", True), ("SETGID", False), ("SETUID", False), ("SETPCAP", True),
)  # fmt: skip
"""Name, and whether only root's containers take it: a plain user's take what newuidmap(1) does."""


def flags(host: Host) -> list[str]:
    """The options that `run` of the outer engine was not given and that are wanted there; [] in
    no container."""
    outer = host.outer
    if not outer:
        return []
    found = [f"--cap-add {name}" for name in lacking(host)]
    # its filter denies pivot_root(2) whatever capabilities there are
    if outer in ("docker", KUBERNETES) and _status(host, "self", "Seccomp") == "2":
        found.append("--security-opt seccomp=unconfined")
    if host.text("/proc/self/attr/current").endswith("(enforce)"):
        found.append("--security-opt apparmor=unconfined")
    if _is_covered(host):
        ours = "unmask=ALL" if host.rootless else "unmask=/proc/sys"
        found.append("--security-opt " + ("systempaths=unconfined" if outer == "docker" else ours))
    return found


def lacking(host: Host) -> list[str]:
    """The capabilities that nobody can have here and that containers take."""
    bounding = _bounding(host)
    return [
        name
        for name, roots in _CAPABILITIES
        if not bounding >> NUMBERS["CAP_" + name] & 1 and not (roots and host.rootless)
    ]


def taken_away(host: Host) -> str:
    """What root lacks who is in no container that is known, in words; "" when it is nothing."""
    if host.outer or host.rootless or not (names := lacking(host)):
        return ""
    return (
        f"the bounding set lacks {' '.join(names)}, which who started this took away, as systemd "
        "does by CapabilityBoundingSet="
    )


def _status(host: Host, process: str, name: str) -> str:
    """A line of a process's status."""
    return subids.field(host.text(f"/proc/{process}/status"), name)


def _bounding(host: Host) -> int:
    """What capabilities processes can have here at most.  Of the first one, too: this one may have
    entered a user namespace already, where it has all."""
    known = [_status(host, process, "CapBnd") for process in ("self", "1")]
    found = -1
    for value in filter(None, known):
        found &= int(value, 16)
    return found


def _is_covered(host: Host) -> bool:
    """Whether /proc/sys cannot be written; for a plain user, whether anything is mounted below
    /proc: the kernel then lets no user namespace have a procfs of its own."""
    for point, options in host.mounts():
        if host.rootless and point.startswith("/proc/"):
            return True
        if point == "/proc/sys" and "ro" in options:
            return True
    return False


def check(host: Host) -> Iterator[Finding]:
    """Whether the container that this is allows containers; nothing in no container."""
    if not (outer := host.outer):
        if taken := taken_away(host):
            yield host.error("capabilities", taken)
        return
    wanted = flags(host)
    if wanted:
        yield host.error(
            "container",
            f"this is a container of {outer}, which lacks what containers in it take",
            host.outside(*wanted),
            machine=True,
        )
    else:
        yield host.ok("container", f"this is a container of {outer}, with all that it takes")
