"""Capabilities: their names and numbers, and the set that a container gets.

Hot path: a table, a loop and one read of /proc/self/status.  The numbers are those of
linux/capability.h; capabilities(7) says what each allows.
"""

from __future__ import annotations

from crun_py.errors import CrunpyError, InvalidArgument, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_IN_ORDER = """
chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio
sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time
sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore
"""
_DOCKER = """
chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw
sys_chroot mknod audit_write setfcap
"""

NAMES = tuple("CAP_" + name for name in _IN_ORDER.upper().split())
"""Every capability; the index is the kernel's number."""

NUMBERS = {name: number for number, name in enumerate(NAMES)}

DEFAULT = tuple("CAP_" + name for name in _DOCKER.upper().split())
"""What a container gets unless told otherwise: docker's fourteen, so that ping and mknod work."""


def canonical(name: str) -> str:
    """`name` as in `NAMES`: upper case, with CAP_; "ALL" stays.  InvalidArgument if unknown."""
    upper = name.strip().upper()
    if upper == "ALL":
        return upper
    full = upper if upper.startswith("CAP_") else "CAP_" + upper
    if full not in NUMBERS:
        raise InvalidArgument(f"unknown capability {name!r}", hint=_suggestion(full))
    return full


def _suggestion(full: str) -> str:
    import difflib  # only on the way to an error

    near = difflib.get_close_matches(full, NAMES, 1, 0.6)
    if near:
        return f"did you mean {near[0][4:]}?"
    return "see capabilities(7) for the names; ALL stands for every one"


def compute(
    add: Iterable[str] = (),
    drop: Iterable[str] = (),
    privileged: bool = False,
    default: Iterable[str] = DEFAULT,
    bounding: int | None = None,
) -> list[str]:
    """The capabilities of a container, in the order of their numbers, as "CAP_…".

    add, drop:  names as users write them; ALL may be added or dropped as a whole, and the
                other list then names the exceptions.
    privileged: every capability; add and drop are then checked but change nothing but drops.
    bounding:   the mask that may be given (None: that of this process).  Capabilities that
                nobody named one by one are left out when the mask lacks them.

    Raises InvalidArgument for unknown or contradicting names, Unsupported for one that was
    named but that this process cannot give.
    """
    adds = {canonical(name) for name in add}
    drops = {canonical(name) for name in drop}
    both = adds & drops
    if both:
        raise InvalidArgument(f"capability {min(both)} is both added and dropped")
    allowed = bounding_mask() if bounding is None else bounding
    named = adds - {"ALL"}
    for name in sorted(named):
        if not allowed >> NUMBERS[name] & 1:
            raise Unsupported(
                f"adding capability {name}: this process cannot give it",
                hint="the bounding set lacks it: see CapBnd in /proc/self/status",
            )
    if privileged or "ALL" in adds:
        chosen = set(NAMES) - drops
    elif "ALL" in drops:
        chosen = named
    else:
        chosen = (set(default) - drops) | named
    if privileged and "ALL" in drops:
        chosen = named
    return [name for n, name in enumerate(NAMES) if name in chosen and allowed >> n & 1]


def mask(names: Iterable[str]) -> int:
    """The bit mask of `names` (as `compute` returns them) that capset(2) takes."""
    bits = 0
    for name in names:
        bits |= 1 << NUMBERS[canonical(name)]
    return bits


def names(bits: int) -> list[str]:
    """The capabilities in the mask `bits`, in the order of their numbers."""
    return [name for n, name in enumerate(NAMES) if bits >> n & 1]


def bounding_mask() -> int:
    """The bounding set of this process (CapBnd in proc_pid_status(5))."""
    try:
        with open("/proc/self/status", "rb") as f:
            text = f.read()
    except OSError as e:
        raise CrunpyError.from_os("reading /proc/self/status", e) from e
    start = text.index(b"\nCapBnd:") + len(b"\nCapBnd:")
    return int(text[start : text.index(b"\n", start)], 16)
