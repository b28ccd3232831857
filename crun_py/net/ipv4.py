"""IPv4 addresses and subnets as 32-bit integers (the ipaddress module takes 3 ms to import)."""

from __future__ import annotations

import _socket

from crun_py.errors import InvalidArgument


def parse(text: str) -> int:
    """The address in dotted form `text`.  Raises InvalidArgument."""
    try:
        return int.from_bytes(_socket.inet_pton(_socket.AF_INET, text), "big")
    except (OSError, ValueError) as e:
        raise InvalidArgument(f"not an IPv4 address: {text!r}") from e


def text(address: int) -> str:
    """The dotted form of `address`."""
    return _socket.inet_ntoa(address.to_bytes(4, "big"))


def packed(text: str) -> bytes:
    """The four bytes of the dotted form `text`, in network order.  Raises InvalidArgument."""
    return parse(text).to_bytes(4, "big")


def netmask(prefix: int) -> int:
    """The mask of a prefix length of 0 to 32 bits."""
    return 0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF


def parse_subnet(text: str) -> tuple[int, int]:
    """(network address, prefix length) of "10.88.0.0/16".  Raises InvalidArgument."""
    address, slash, length = text.partition("/")
    if not slash or not length.isdecimal() or not length.isascii() or int(length) > 32:
        raise InvalidArgument(f"not a subnet: {text!r}", hint="write it as 10.88.0.0/16")
    base, prefix = parse(address), int(length)
    if base & ~netmask(prefix):
        network = _socket.inet_ntoa((base & netmask(prefix)).to_bytes(4, "big"))
        raise InvalidArgument(
            f"subnet {text!r} has host bits set", hint=f"did you mean {network}/{prefix}?"
        )
    return base, prefix


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether two subnets, as (address, prefix length), share an address."""
    mask = netmask(min(a[1], b[1]))
    return a[0] & mask == b[0] & mask


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
