"""The nftables table of a store, as the netlink messages that make it.

    set bridges          interface names of our bridges
    set pairs            (bridge, bridge): traffic that stays within one network
    set subnets          (bridge, its subnet): the same where br_netfilter hides whence it came
    map ports            (protocol, host port) -> (container address, port)
    map address_ports    (host address, protocol, host port) -> (container address, port)
    raw                  nobody on a bridge reaches the host's 127.0.0.0/8 (route_localnet)
    prerouting, output   DNAT for packets to a local address, by the two maps
    postrouting          masquerade what leaves a bridge for elsewhere, what comes from
                         127.0.0.1, and what returns to the network it came from
    forward              to a bridge: only answers, published ports, and its own network

Needed once per boot, so not imported by `run` on a network that is there.  Numbers are
those of linux/netfilter/nf_tables.h; `nft --debug=netlink` prints rules in these terms.
"""

from __future__ import annotations

from struct import Struct

from crun_py.net.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    Message,
    attr,
    be32,
    nest,
    nft_message,
    string,
)

_NEWTABLE, _NEWCHAIN, _NEWRULE, _NEWSET = 0, 3, 6, 9
_HOST32 = Struct("=I")

# how nft shows a set's elements: its numbers for data types, six bits each
_ADDRESS, _PROTOCOL, _SERVICE, _IFNAME = 7, 12, 13, 41
# user data of a set of interface names: they are in host byte order (nft shows "" without)
_HOST_ORDER = b"\0\4" + _HOST32.pack(1)

_DROP, _ACCEPT = 0, 1
_R1, _R_NEXT4, _R_NEXT8, _R_NEXT16 = 1, 9, 10, 2  # register 1, and what lies 4, 8, 16 bytes on
_IIFNAME, _OIFNAME, _L4PROTO = 6, 7, 16
_NETWORK, _TRANSPORT = 1, 2
_CT_STATE, _CT_STATUS = 0, 2
_ESTABLISHED_RELATED, _DNAT = 6, 0x20


def _expression(name: str, *values: bytes) -> bytes:
    return nest(1, string(1, name), nest(2, *values))


def _meta(key: int, register: int) -> bytes:
    return _expression("meta", be32(2, key), be32(1, register))


def _payload(base: int, offset: int, length: int, register: int) -> bytes:
    return _expression(
        "payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, length)
    )


def _compare(value: bytes, unequal: bool = False) -> bytes:
    return _expression("cmp", be32(1, _R1), be32(2, unequal), nest(3, attr(1, value)))


def _in_set(name: str, inverted: bool = False) -> bytes:
    return _expression("lookup", string(1, name), be32(2, _R1), be32(5, inverted))


def _in_map(name: str) -> bytes:
    return _expression("lookup", string(1, name), be32(2, _R1), be32(3, _R1))


def _verdict(code: int) -> bytes:
    return _expression("immediate", be32(1, 0), nest(2, nest(2, be32(1, code))))


def _conntrack(key: int, mask: int) -> bytes:
    bits = _HOST32.pack(mask)
    return (
        _expression("ct", be32(2, key), be32(1, _R1))
        + _expression(
            "bitwise",
            be32(1, _R1),
            be32(2, _R1),
            be32(3, 4),
            nest(4, attr(1, bits)),
            nest(5, attr(1, b"\0\0\0\0")),
        )
        + _compare(b"\0\0\0\0", unequal=True)
    )


_LOCAL = _expression("fib", be32(1, _R1), be32(2, 3), be32(3, 2)) + _compare(
    _HOST32.pack(2)
)  # fib daddr type local (RTN_LOCAL)
_TO_MAP = _expression("nat", be32(1, 1), be32(2, 2), be32(3, _R1), be32(5, _R_NEXT4))
_MASQUERADE = _expression("masq")
_FROM_LOOPBACK = _payload(_NETWORK, 12, 1, _R1) + _compare(b"\x7f")
_TO_LOOPBACK = _payload(_NETWORK, 16, 1, _R1) + _compare(b"\x7f")
_FROM_BRIDGE = _meta(_IIFNAME, _R1) + _in_set("bridges")
_TO_BRIDGE = _meta(_OIFNAME, _R1) + _in_set("bridges")
_NOT_TO_BRIDGE = _meta(_OIFNAME, _R1) + _in_set("bridges", inverted=True)
_WITHIN_BRIDGE = _meta(_IIFNAME, _R1) + _meta(_OIFNAME, _R_NEXT16) + _in_set("pairs")
_FROM_OWN_SUBNET = _meta(_OIFNAME, _R1) + _payload(_NETWORK, 12, 4, _R_NEXT16) + _in_set("subnets")
_DNATED = _conntrack(_CT_STATUS, _DNAT)

_PUBLISHED = (
    _LOCAL
    + _payload(_NETWORK, 16, 4, _R1)
    + _meta(_L4PROTO, _R_NEXT4)
    + _payload(_TRANSPORT, 2, 2, _R_NEXT8)
    + _in_map("address_ports")
    + _TO_MAP,
    _LOCAL
    + _meta(_L4PROTO, _R1)
    + _payload(_TRANSPORT, 2, 2, _R_NEXT4)
    + _in_map("ports")
    + _TO_MAP,
)

# name, type, hook, priority, rules
_CHAINS = (
    ("raw", "filter", 0, -300, (_FROM_BRIDGE + _TO_LOOPBACK + _verdict(_DROP),)),
    ("prerouting", "nat", 0, -100, _PUBLISHED),
    ("output", "nat", 3, -100, _PUBLISHED),
    (
        "postrouting",
        "nat",
        4,
        100,
        (
            _FROM_BRIDGE + _NOT_TO_BRIDGE + _MASQUERADE,
            _FROM_LOOPBACK + _TO_BRIDGE + _MASQUERADE,
            _DNATED + _FROM_OWN_SUBNET + _MASQUERADE,
        ),
    ),
    (
        "forward",
        "filter",
        2,
        0,
        (
            _NOT_TO_BRIDGE + _verdict(_ACCEPT),
            _conntrack(_CT_STATE, _ESTABLISHED_RELATED) + _verdict(_ACCEPT),
            _DNATED + _verdict(_ACCEPT),
            _WITHIN_BRIDGE + _verdict(_ACCEPT),
            _verdict(_DROP),
        ),
    ),
)

_MAP, _INTERVAL, _CONCATENATION = 8, 4, 0x80

# name, types of the key, length of the key, types of the data, length of the data
_SETS = (
    ("bridges", (_IFNAME,), 16, (), 0),
    ("pairs", (_IFNAME, _IFNAME), 32, (), 0),
    ("subnets", (_IFNAME, _ADDRESS), 20, (), 0),
    ("ports", (_PROTOCOL, _SERVICE), 8, (_ADDRESS, _SERVICE), 8),
    ("address_ports", (_ADDRESS, _PROTOCOL, _SERVICE), 12, (_ADDRESS, _SERVICE), 8),
)


def _types(kinds: tuple[int, ...]) -> int:
    number = 0
    for kind in kinds:
        number = number << 6 | kind
    return number


def messages(table: str) -> list[Message]:
    """The whole table, empty of elements."""
    found = [nft_message(_NEWTABLE, NLM_F_CREATE, string(1, table), be32(2, 0))]
    for number, (name, key, key_length, data, data_length) in enumerate(_SETS, 1):
        flags = _MAP if data else _INTERVAL | _CONCATENATION if name == "subnets" else 0
        values = [string(1, table), string(2, name), be32(3, flags)]
        values += [be32(4, _types(key)), be32(5, key_length)]
        if data:
            values += [be32(6, _types(data)), be32(7, data_length)]
        elif name == "subnets":
            values.append(nest(9, nest(2, nest(1, be32(1, 16)), nest(1, be32(1, 4)))))
        else:
            values.append(attr(13, _HOST_ORDER))
        found.append(nft_message(_NEWSET, NLM_F_CREATE, *values, be32(10, number)))
    for name, kind, hook, priority, rules in _CHAINS:
        values = [string(1, table), string(3, name), string(7, kind), be32(5, _ACCEPT)]
        values.append(nest(4, be32(1, hook), be32(2, priority)))
        found.append(nft_message(_NEWCHAIN, NLM_F_CREATE, *values))
        for rule in rules:
            body = string(1, table) + string(2, name) + nest(4, rule)
            found.append(nft_message(_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, body))
    return found
