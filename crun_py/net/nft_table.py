"""The nftables tables of a store, one for each family, as the netlink messages that make them.

    set bridges          interface names of our bridges
    set pairs            (bridge, bridge): traffic that stays within one network
    set subnets          (bridge, its subnet): the same where br_netfilter hides whence it came
    map ports            (protocol, host port) -> (container address, port)
    map address_ports    (host address, protocol, host port) -> (container address, port)
    set internal         bridges of networks that have no way out, and none in
    set plain            bridges of networks whose packets leave as they are
    set open             (address of a container, protocol, port) that may be reached by routing
    raw                  nobody on a bridge reaches the host's 127.0.0.0/8 (route_localnet)
    prerouting, output   DNAT for packets to a local address, by the two maps
    postrouting          masquerade what leaves a bridge for elsewhere, what comes from
                         127.0.0.1, and what returns to the network it came from
    forward              answers; of an internal bridge: its own network alone; to others: only
                         published ports, and its own network

127.0.0.1 has no like in the table of IPv6: the kernel routes nothing from or to ::1.

Needed once per boot, so not imported by `run` on a network that is there.  Numbers are
those of linux/netfilter/nf_tables.h; `nft --debug=netlink` prints rules in these terms.
"""

from __future__ import annotations

from struct import Struct

from crun_py.net.netlink import (
    NFPROTO_BRIDGE,
    NFPROTO_IPV4,
    NFPROTO_IPV6,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
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
_ADDRESS, _ADDRESS6, _PROTOCOL, _SERVICE, _IFNAME = 7, 8, 12, 13, 41
# user data of a set of interface names: they are in host byte order (nft shows "" without)
_HOST_ORDER = b"\0\4" + _HOST32.pack(1)

_DROP, _ACCEPT = 0, 1
_R1, _R_NEXT4, _R_NEXT16 = 1, 9, 2  # register 1, and what lies 4 and 16 bytes on
_R_BEHIND_MAC = 14  # eight bytes behind _R_NEXT16
_R1_FIRST = 8  # the first four bytes of register 1; the next number is what lies four bytes on
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
_MASQUERADE = _expression("masq")
_FROM_LOOPBACK = _payload(_NETWORK, 12, 1, _R1) + _compare(b"\x7f")
_TO_LOOPBACK = _payload(_NETWORK, 16, 1, _R1) + _compare(b"\x7f")
_TO_LOOPBACK6 = _payload(_NETWORK, 24, 16, _R1) + _compare(bytes(15) + b"\1")
_FROM_BRIDGE = _meta(_IIFNAME, _R1) + _in_set("bridges")
_TO_BRIDGE = _meta(_OIFNAME, _R1) + _in_set("bridges")
_NOT_PLAIN = _in_set("plain", inverted=True)  # of what is in the register: after _FROM_BRIDGE
_NOT_TO_BRIDGE = _meta(_OIFNAME, _R1) + _in_set("bridges", inverted=True)
_FROM_INTERNAL = _meta(_IIFNAME, _R1) + _in_set("internal")
_TO_INTERNAL = _meta(_OIFNAME, _R1) + _in_set("internal")
_BRIDGES = _meta(_IIFNAME, _R1) + _meta(_OIFNAME, _R_NEXT16)
_WITHIN_BRIDGE = _BRIDGES + _in_set("pairs")
_BETWEEN_BRIDGES = _BRIDGES + _in_set("pairs", inverted=True)
_DNATED = _conntrack(_CT_STATUS, _DNAT)

_SOURCE = {NFPROTO_IPV4: (12, 4), NFPROTO_IPV6: (8, 16)}
_DESTINATION = {NFPROTO_IPV4: (16, 4), NFPROTO_IPV6: (24, 16)}
"""(offset, length) of an address in a packet's header (RFC 791, RFC 8200)."""


def let_through(interface: str) -> list[bytes]:
    """The expressions of two rules that accept what comes from an interface, and what goes there,
    as iptables-nft writes such."""
    name = _compare(interface.encode() + b"\0")
    counter = _expression("counter", attr(1, bytes(8)), attr(2, bytes(8)))
    return [
        nest(4, _meta(key, _R1) + name + counter + _verdict(_ACCEPT))
        for key in (_IIFNAME, _OIFNAME)
    ]


def _from_own_subnet(family: int) -> bytes:
    source = _payload(_NETWORK, *_SOURCE[family], _R_NEXT16)
    return _meta(_OIFNAME, _R1) + source + _in_set("subnets")


def _published(family: int) -> tuple[bytes, ...]:
    offset, length = _DESTINATION[family]
    behind = _R1_FIRST + length // 4  # the register behind an address
    to_map = _expression("nat", be32(1, 1), be32(2, family), be32(3, _R1), be32(5, behind))
    return (
        _LOCAL
        + _payload(_NETWORK, offset, length, _R1)
        + _meta(_L4PROTO, behind)
        + _payload(_TRANSPORT, 2, 2, behind + 1)
        + _in_map("address_ports")
        + to_map,
        _LOCAL
        + _meta(_L4PROTO, _R1)
        + _payload(_TRANSPORT, 2, 2, _R_NEXT4)
        + _in_map("ports")
        + to_map,
    )


def _to_open(family: int) -> bytes:
    offset, length = _DESTINATION[family]
    behind = _R1_FIRST + length // 4
    return (
        _payload(_NETWORK, offset, length, _R1)
        + _meta(_L4PROTO, behind)
        + _payload(_TRANSPORT, 2, 2, behind + 1)
        + _in_set("open")
    )


def _chains(family: int) -> tuple[tuple[str, str, int, int, tuple[bytes, ...]], ...]:
    """(name, type, hook, priority, rules) of each."""
    loopback = family == NFPROTO_IPV4
    # nobody but the host itself reaches what it publishes at 127.0.0.1
    strangers = (_TO_LOOPBACK + _verdict(_ACCEPT),) if loopback else ()
    # to ::1 comes what a container's monitor passes on (net/ports.py)
    passed_on = () if loopback else (_TO_LOOPBACK6 + _verdict(_ACCEPT),)
    return (
        *([("raw", "filter", 0, -300, (_TO_LOOPBACK + _FROM_BRIDGE + _verdict(_DROP),))]
          if loopback else []),
        ("prerouting", "nat", 0, -100, (*strangers, *_published(family))),
        ("output", "nat", 3, -100, (*passed_on, *_published(family))),
        (
            "postrouting",
            "nat",
            4,
            100,
            (
                _FROM_BRIDGE + _NOT_PLAIN + _NOT_TO_BRIDGE + _MASQUERADE,
                *([_FROM_LOOPBACK + _TO_BRIDGE + _MASQUERADE] if loopback else []),
                _DNATED + _from_own_subnet(family) + _MASQUERADE,
            ),
        ),
        (
            "forward",
            "filter",
            2,
            0,
            (
                # nothing is established that was not let through; most packets are such
                _conntrack(_CT_STATE, _ESTABLISHED_RELATED) + _verdict(_ACCEPT),
                _FROM_INTERNAL + _BETWEEN_BRIDGES + _verdict(_DROP),
                _TO_INTERNAL + _BETWEEN_BRIDGES + _verdict(_DROP),
                _NOT_TO_BRIDGE + _verdict(_ACCEPT),
                _DNATED + _verdict(_ACCEPT),
                _WITHIN_BRIDGE + _verdict(_ACCEPT),
                _to_open(family) + _verdict(_ACCEPT),
                _verdict(_DROP),
            ),
        ),
    )  # fmt: skip


_MAP, _INTERVAL, _CONCATENATION = 8, 4, 0x80

_SETS: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = (
    ("bridges", (_IFNAME,), ()),
    ("internal", (_IFNAME,), ()),
    ("plain", (_IFNAME,), ()),
    ("open", (_ADDRESS, _PROTOCOL, _SERVICE), ()),
    ("pairs", (_IFNAME, _IFNAME), ()),
    ("subnets", (_IFNAME, _ADDRESS), ()),
    ("ports", (_PROTOCOL, _SERVICE), (_ADDRESS, _SERVICE)),
    ("address_ports", (_ADDRESS, _PROTOCOL, _SERVICE), (_ADDRESS, _SERVICE)),
)
"""(name, types of the key, types of the data)"""


def _types(kinds: tuple[int, ...], family: int) -> int:
    number = 0
    for kind in kinds:
        number = number << 6 | (_ADDRESS6 if (kind, family) == (_ADDRESS, NFPROTO_IPV6) else kind)
    return number


def _length(kinds: tuple[int, ...], family: int) -> int:
    """Bytes of a key or data; each part is padded to four."""
    address = _SOURCE[family][1]
    return sum({_IFNAME: 16, _ADDRESS: address}.get(kind, 4) for kind in kinds)


_LINK = 0
_PROTOCOL_KEY = 1
_IPV4_TYPE, _ARP_TYPE, _IPV6_TYPE = b"\x08\x00", b"\x08\x06", b"\x86\xdd"
_ETHERADDR = 9
_NEIGHBOUR_ADVERTISEMENT, _ROUTER_ADVERTISEMENT = b"\x88", b"\x86"
_LINK_LOCAL = b"\xfe\x80"


def _pretends(name: str, base: int, offset: int, length: int) -> bytes:
    """That (interface, what lies there) is not in a set."""
    found = _payload(base, offset, length, _R_NEXT16)
    return _meta(_IIFNAME, _R1) + found + _in_set(name, inverted=True)


def _is(kind: bytes) -> bytes:
    return _meta(_PROTOCOL_KEY, _R1) + _compare(kind)


def _icmpv6(kind: bytes) -> bytes:
    message = _meta(_L4PROTO, _R1) + _compare(b"\x3a")
    return _is(_IPV6_TYPE) + message + _payload(_TRANSPORT, 0, 1, _R1) + _compare(kind)


def _no_link_local(base: int, offset: int) -> bytes:
    return _payload(base, offset, 2, _R1) + _compare(_LINK_LOCAL, unequal=True)


def guard(table: str) -> list[Message]:
    """The table of nft_guard, empty of elements.  It must not be there: EEXIST."""
    family = NFPROTO_BRIDGE
    drop = _verdict(_DROP)
    rules = (
        _is(_IPV4_TYPE) + _meta(_IIFNAME, _R1) + _payload(_LINK, 6, 6, _R_NEXT16)
        + _payload(_NETWORK, 12, 4, _R_BEHIND_MAC) + _in_set("whole") + _verdict(_ACCEPT),
        _meta(_IIFNAME, _R1) + _in_set("guarded", inverted=True) + _verdict(_ACCEPT),
        _pretends("macs", _LINK, 6, 6) + drop,
        _is(_IPV4_TYPE) + _pretends("senders", _NETWORK, 12, 4) + drop,
        _is(_ARP_TYPE) + _pretends("macs", _NETWORK, 8, 6) + drop,
        _is(_ARP_TYPE) + _pretends("senders", _NETWORK, 14, 4) + drop,
        _is(_IPV6_TYPE) + _no_link_local(_NETWORK, 8)
        + _pretends("senders6", _NETWORK, 8, 16) + drop,
        _icmpv6(_ROUTER_ADVERTISEMENT) + drop,
        _icmpv6(_NEIGHBOUR_ADVERTISEMENT) + _no_link_local(_TRANSPORT, 8)
        + _pretends("senders6", _TRANSPORT, 8, 16) + drop,
    )  # fmt: skip
    sets = (
        ("guarded", (_IFNAME,), 16),
        ("macs", (_IFNAME, _ETHERADDR), 24),
        ("senders", (_IFNAME, _ADDRESS), 20),
        ("senders6", (_IFNAME, _ADDRESS6), 32),
        ("whole", (_IFNAME, _ETHERADDR, _ADDRESS), 28),
    )
    flags = NLM_F_CREATE | NLM_F_EXCL
    found = [nft_message(_NEWTABLE, flags, family, string(1, table), be32(2, 0))]
    for number, (name, key, length) in enumerate(sets, 1):
        values = [string(1, table), string(2, name), be32(3, 0)]
        values += [be32(4, _types(key, family)), be32(5, length), attr(13, _HOST_ORDER)]
        found.append(nft_message(_NEWSET, NLM_F_CREATE, family, *values, be32(10, number)))
    values = [string(1, table), string(3, "prerouting"), string(7, "filter"), be32(5, _ACCEPT)]
    values.append(nest(4, be32(1, 0), be32(2, -300)))
    found.append(nft_message(_NEWCHAIN, NLM_F_CREATE, family, *values))
    for rule in rules:
        body = string(1, table) + string(2, "prerouting") + nest(4, rule)
        found.append(nft_message(_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, body))
    return found


def name_server(table: str, there: bytes, ports: dict[int, int]) -> list[Message]:
    """A table that leads what goes to port 53 of an address of IPv4 to other ports there, by the
    numbers of protocols.  It must not be there: EEXIST."""
    flags = NLM_F_CREATE | NLM_F_EXCL
    found = [nft_message(_NEWTABLE, flags, NFPROTO_IPV4, string(1, table), be32(2, 0))]
    values = [string(1, table), string(3, "output"), string(7, "nat"), be32(5, _ACCEPT)]
    values.append(nest(4, be32(1, 3), be32(2, -100)))
    found.append(nft_message(_NEWCHAIN, NLM_F_CREATE, NFPROTO_IPV4, *values))
    for protocol, port in ports.items():
        rule = (
            _payload(_NETWORK, *_DESTINATION[NFPROTO_IPV4], _R1)
            + _compare(there)
            + _meta(_L4PROTO, _R1)
            + _compare(bytes([protocol]))
            + _payload(_TRANSPORT, 2, 2, _R1)
            + _compare(b"\0\x35")
            + _expression("immediate", be32(1, _R1), nest(2, attr(1, there)))
            + _expression("immediate", be32(1, _R_NEXT4), nest(2, attr(1, port.to_bytes(2, "big"))))
            + _expression("nat", be32(1, 1), be32(2, NFPROTO_IPV4), be32(3, _R1), be32(5, _R_NEXT4))
        )
        body = string(1, table) + string(2, "output") + nest(4, rule)
        found.append(nft_message(_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFPROTO_IPV4, body))
    return found


def messages(table: str, family: int) -> list[Message]:
    """The whole table, empty of elements."""
    found = [nft_message(_NEWTABLE, NLM_F_CREATE, family, string(1, table), be32(2, 0))]
    for number, (name, key, data) in enumerate(_SETS, 1):
        flags = _MAP if data else _INTERVAL | _CONCATENATION if name == "subnets" else 0
        values = [string(1, table), string(2, name), be32(3, flags)]
        values += [be32(4, _types(key, family)), be32(5, _length(key, family))]
        if data:
            values += [be32(6, _types(data, family)), be32(7, _length(data, family))]
        elif name == "subnets":
            parts = [nest(1, be32(1, _length((kind,), family))) for kind in key]
            values.append(nest(9, nest(2, *parts)))
        elif _IFNAME in key:
            values.append(attr(13, _HOST_ORDER))
        found.append(nft_message(_NEWSET, NLM_F_CREATE, family, *values, be32(10, number)))
    for name, kind, hook, priority, rules in _chains(family):
        values = [string(1, table), string(3, name), string(7, kind), be32(5, _ACCEPT)]
        values.append(nest(4, be32(1, hook), be32(2, priority)))
        found.append(nft_message(_NEWCHAIN, NLM_F_CREATE, family, *values))
        for rule in rules:
            body = string(1, table) + string(2, name) + nest(4, rule)
            found.append(nft_message(_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family, body))
    return found
