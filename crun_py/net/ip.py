"""Addresses and subnets of both families as integers (the ipaddress module takes 3 ms to import).

A subnet is (address, prefix length, width): width is 32 for IPv4, 128 for IPv6.
"""

from __future__ import annotations

import _socket

from crun_py.errors import InvalidArgument

IPv4, IPv6 = 32, 128
_FAMILIES = {IPv4: _socket.AF_INET, IPv6: _socket.AF_INET6}


def width(text: str) -> int:
    """The family of an address or subnet, by its looks: IPv4 or IPv6."""
    return IPv6 if ":" in text else IPv4


def packed(text: str) -> bytes:
    """The 4 or 16 bytes of an address, in network order.  Raises InvalidArgument."""
    try:
        return _socket.inet_pton(_FAMILIES[width(text)], text)
    except (OSError, ValueError) as e:
        raise InvalidArgument(f"not an IP address: {text!r}") from e


def number(text: str) -> int:
    """An address as a number.  Raises InvalidArgument."""
    return int.from_bytes(packed(text), "big")


def text(number: int, width: int = IPv4) -> str:
    """The usual form of an address."""
    return _socket.inet_ntop(_FAMILIES[width], number.to_bytes(width // 8, "big"))


def mask(prefix: int, width: int = IPv4) -> int:
    """The mask of a prefix length."""
    ones = (1 << width) - 1
    return ones << (width - prefix) & ones


def subnet(given: str) -> tuple[int, int, int]:
    """The subnet that "10.88.0.0/16" or "fd00::/64" means.  Raises InvalidArgument."""
    address, slash, length = given.partition("/")
    bits = width(given)
    if not slash or not length.isdecimal() or not length.isascii() or int(length) > bits:
        raise InvalidArgument(
            f"not a subnet: {given!r}", hint="write it as 10.88.0.0/16 or fd00::/64"
        )
    base, prefix = number(address), int(length)
    if base & ~mask(prefix, bits):
        whole = text(base & mask(prefix, bits), bits)
        raise InvalidArgument(
            f"subnet {given!r} has host bits set", hint=f"did you mean {whole}/{prefix}?"
        )
    return base, prefix, bits


def written(found: tuple[int, int, int]) -> str:
    """A subnet as text."""
    base, prefix, bits = found
    return f"{text(base, bits)}/{prefix}"


def last(found: tuple[int, int, int]) -> int:
    """The highest address of a subnet."""
    base, prefix, bits = found
    return base + (1 << (bits - prefix)) - 1


def contains(found: tuple[int, int, int], address: str) -> bool:
    """Whether an address lies in a subnet."""
    return width(address) == found[2] and found[0] <= number(address) <= last(found)


def overlap(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
    """Whether two subnets share an address."""
    if a[2] != b[2]:
        return False
    bits = mask(min(a[1], b[1]), a[2])
    return a[0] & bits == b[0] & bits


def check_mac(text: str) -> str:
    """`text` if it is a unicast hardware address, like 02:c5:0a:58:00:02.

    Raises InvalidArgument.
    """
    try:
        value = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        value = b""
    if len(value) != 6 or text.count(":") != 5 or value[0] & 1:
        raise InvalidArgument(
            f"not a hardware address: {text!r}", hint="six bytes like 02:c5:0a:58:00:02, unicast"
        )
    return text
