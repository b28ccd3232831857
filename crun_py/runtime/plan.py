"""A plan: the list of steps that makes a container, as plain data.

Python decides what is done and in which order; the core helper (`_native/init.c`,
`_native/monitor.c`) carries it out and knows nothing else.  The numbers here are those of
`enum op` in `_native/core.h`.
"""

from __future__ import annotations

import os
from _struct import pack

from crun_py.model.spec import RLIMIT_NAMES
from crun_py.ns import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    RDONLY,
    RDONLY_TOP,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# what init does, in the order given
SETNS, UNSHARE, PROPAGATION, OVERLAY, BINDROOT, MOUNT, BIND, MKDIR = range(1, 9)
SYMLINK, MASK, READONLY, TERMINAL, PIVOT, ROOTFLAGS, LOOPBACK, HOSTNAME = range(9, 17)
DOMAINNAME, SYSCTL, RLIMIT, OOMSCORE, KEYRING, CHDIR, UMASK, USER = range(17, 25)
BOUNDING, CAPS, NONEWPRIVS, SECCOMP, ENV, EXEC, ENTERROOT, INIT, GATE = range(25, 34)
ATTACH, KEEP, DEVICE, CLEAR, ENTERPID, CONFINE, PAUSE = range(34, 41)
PERSONALITY, IOPRIO, SCHEDULER, PERMITTED, LABEL, AFFINITY, STAY = range(41, 48)

# what the monitor must know
SET_ID, SET_CLONE, SET_CGROUP, SET_CLIENT, SET_RESULT, SET_RUNDIR = range(100, 106)
SET_STATEDIR, SET_LOG, SET_STDIO, SET_CLEANUP, SET_HOLD = range(106, 111)
SET_HEALTH, SET_RESTART, SET_TIMEOUT, SET_USERNS, SET_DNS, SET_NOTIFY = range(111, 117)
SET_OOM, SET_ALONE = range(117, 119)

NAMESPACES = {
    CLONE_NEWNS: "mnt",
    CLONE_NEWCGROUP: "cgroup",
    CLONE_NEWUTS: "uts",
    CLONE_NEWIPC: "ipc",
    CLONE_NEWUSER: "user",
    CLONE_NEWPID: "pid",
    CLONE_NEWNET: "net",
}

_INIT_NAMES = """
setns unshare propagation overlay bindroot mount bind mkdir symlink mask readonly
terminal pivot rootflags loopback hostname domainname sysctl rlimit oomscore keyring chdir
umask user bounding caps nonewprivs seccomp env exec enterroot init gate attach keep
device clear enterpid confine pause personality ioprio scheduler permitted label affinity
stay
"""
_MONITOR_NAMES = """
set_id set_clone set_cgroup set_client set_result set_rundir set_statedir set_log set_stdio
set_cleanup set_hold set_health set_restart set_timeout set_userns set_dns set_notify set_oom
set_alone
"""
_NAMES = dict(enumerate(_INIT_NAMES.split(), SETNS))
_NAMES |= dict(enumerate(_MONITOR_NAMES.split(), SET_ID))


def _namespaces(flags: int) -> str:
    return ",".join(name for bit, name in NAMESPACES.items() if flags & bit)


class Step:
    """One step: what (`op`), three numbers and any strings; their meaning is the op's."""

    __slots__ = ("a", "b", "c", "op", "strings")

    def __init__(self, op: int, a: int, b: int, c: int, strings: tuple[bytes, ...]) -> None:
        self.op, self.a, self.b, self.c, self.strings = op, a, b, c, strings

    @property
    def name(self) -> str:
        return _NAMES[self.op]

    def describe(self) -> str:
        """One line for `--debug` and for errors: the step and what it is about."""
        words = [s.decode("utf-8", "backslashreplace") for s in self.strings]
        if self.op in (SETNS, UNSHARE):
            return f"{self.name} {_namespaces(self.b if self.op == SETNS else self.a)}"
        if self.op == SET_CLONE:
            return f"clone {_namespaces(self.a)}"
        if self.op == OVERLAY:
            return f"overlay {len(words) - 4} layers, upper {words[2] or '(none)'} at {words[0]}"
        if self.op == MOUNT:
            return f"mount {words[2]} on {words[1]}" + (f" ({words[3]})" if words[3] else "")
        if self.op == BIND:
            return f"bind {words[0]} on {words[1]}" + (
                " read-only" if self.a & (RDONLY | RDONLY_TOP) else ""
            )
        if self.op == CONFINE:
            return f"{self.name} {words[0]}"
        if self.op == DEVICE:
            return f"device {words[1]}"
        if self.op == SYSCTL:
            return f"sysctl {words[0].replace('/', '.')}={words[1]}"
        if self.op == RLIMIT:
            return f"rlimit {RLIMIT_NAMES[self.a]} {self.b}:{self.c}"
        if self.op in (BOUNDING, CAPS, PERMITTED):
            return f"{self.name} {self.a & (1 << 64) - 1:#x}"
        if self.op == USER:
            return f"user {self.a}:{self.b}"
        if self.op == UMASK:
            return f"umask {self.a:04o}"
        if self.op == SECCOMP:
            return f"seccomp {len(self.strings[0]) // 8} instructions"
        if self.op == ENV:
            return f"env {len(words)} variables"
        if self.op in (SCHEDULER, AFFINITY):
            return self.name
        if self.op == EXEC:
            return f"exec {words}"
        numbers = [str(int(n)) for n in (self.a, self.b) if n]
        return " ".join([self.name, *numbers, *words])


class Plan:
    """Steps in the order in which they are carried out."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, op: int, *strings: str | bytes, a: int = 0, b: int = 0, c: int = 0) -> None:
        """Append a step.  Strings are bytes as the kernel takes them; text is encoded."""
        encoded = tuple(s if isinstance(s, bytes) else os.fsencode(s) for s in strings)
        self.steps.append(Step(op, a, b, c, encoded))

    def encode(self) -> bytes:
        """The bytes that `_native/plan.c` reads."""
        parts = []
        for step in self.steps:
            a, b, c = (n - (1 << 64) if n >= 1 << 63 else n for n in (step.a, step.b, step.c))
            parts.append(pack("<IIqqq", step.op, len(step.strings), a, b, c))
            for s in step.strings:
                parts += (pack("<I", len(s)), s, b"\0")
        return b"".join(parts)

    def describe(self) -> Iterator[str]:
        """The lines that `--debug` prints."""
        for number, step in enumerate(self.steps):
            yield f"{number:3} {step.describe()}"
