"""Signals by name and number (signal(7), x86 and ARM)."""

from __future__ import annotations

from crun_py import quantity
from crun_py.errors import InvalidArgument

NAMES = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT "
    "STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
"""Of the signals 1 to 31."""

_OTHERS = {"IOT": 6, "CLD": 17, "POLL": 29, "UNUSED": 31}
_RTMIN, _RTMAX = 34, 64


def name(number: int) -> str:
    """15 as SIGTERM."""
    return f"SIG{NAMES[number - 1]}" if number <= len(NAMES) else f"SIGRTMIN+{number - _RTMIN}"


def number(text: str) -> int:
    """`SIGTERM`, `term`, `15`, `-15`, `RTMIN+3`, `RTMAX-1` as a number.  Raises InvalidArgument."""
    word = text.upper().removeprefix("-").removeprefix("SIG")
    found = 0
    if quantity.is_number(word):
        found = int(word)
    elif word in NAMES:
        found = NAMES.index(word) + 1
    elif word in _OTHERS:
        found = _OTHERS[word]
    else:
        found = _real_time(word)
    if not 0 < found <= _RTMAX:
        raise InvalidArgument(f"signal {text!r}: not known", hint="a name like SIGTERM or a number")
    return found


def _real_time(word: str) -> int:
    """RTMIN, RTMIN+N, RTMAX or RTMAX-N as a number, 0 for what is none."""
    for base, start, sign in (("RTMIN", _RTMIN, "+"), ("RTMAX", _RTMAX, "-")):
        if word == base:
            return start
        offset = word.removeprefix(base + sign)
        if offset != word and quantity.is_number(offset):
            found = start + int(sign + offset)
            return found if _RTMIN <= found <= _RTMAX else 0
    return 0
