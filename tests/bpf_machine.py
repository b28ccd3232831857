"""What a seccomp filter says of a system call, without installing it."""

from __future__ import annotations

import struct


def verdict(program: bytes, arch: int, number: int, args: tuple[int, ...] = ()) -> int:
    """Run `program` as the kernel would."""
    padded = [*args, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *padded)
    accumulator, at = 0, 0
    while True:
        code, jt, jf, k = struct.unpack_from("<HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            assert k % 4 == 0 and k < 64
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif code == 0x54:
            accumulator &= k
        elif code == 0x06:
            return int(k)
        elif code == 0x05:
            at += k
        else:
            test = {
                0x15: accumulator == k,
                0x25: accumulator > k,
                0x35: accumulator >= k,
                0x45: accumulator & k,
            }[code]
            at += jt if test else jf
