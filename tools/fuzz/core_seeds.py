"""Plans and messages as Python makes them: inputs for native/plan.c, native/client.c and
native/orders.c."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from crun_py.runtime import plan


def plans() -> Iterator[bytes]:
    """Plans as the core helper reads them."""
    yield b""
    whole = plan.Plan()
    for op in [*range(plan.SETNS, plan.ENTERPID + 1), *range(plan.SET_ID, plan.SET_DNS + 1)]:
        one = plan.Plan()
        strings = ["", "/a/path", b"\0\xff"][: op % 4]
        for made in (one, whole):
            made.add(op, *strings, a=op - 7, b=1 << 63, c=-(op**9))
        yield one.encode()
    yield whole.encode()


def _message(data: bytes, flags: int = 0) -> bytes:
    return struct.pack("<BH", flags, len(data)) + data


def conversations() -> Iterator[bytes]:
    """What clients of a container's streams say."""
    hello, size = b"h\x1f", struct.pack("<HH", 24, 80)
    yield _message(hello + size) + _message(b"iinput\n") + _message(b"w" + size) + _message(b"e")
    yield _message(hello, 8) + _message(b"s") + _message(b"c\0") + _message(b"c\1", 2 | 8)
    yield _message(b"", 1) + _message(b"x", 1 | 4) + _message(b"x", 16)
    yield _message(b"h\x03", 8) + _message(b"i" + b"x" * 4000, 8) * 3 + _message(b"e", 4)


def orders() -> Iterator[bytes]:
    """What commands say to a container's monitor."""
    key = struct.pack("<I", 7)
    yield _message(b"k" + key + b"10.0.0.1 80", 1) + _message(b"u" + key) + _message(b"x", 1 | 4)
    yield _message(b"k" + key + b"@" + b"1" * 80, 1) + _message(b"k" + bytes(4), 1) + _message(b"k")
    yield _message(b"t", 1) + _message(b"d/run/x\x001.1.1.1\0", 1) + _message(b"dunended", 3)
    yield _message(b"u" + key, 1) + _message(b"", 1) + _message(b"k" + key, 16) + _message(b"x", 16)
