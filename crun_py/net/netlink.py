"""Netlink: the message format (netlink(7)) and the rtnetlink messages we need (rtnetlink(7)).

Functions that make a message are pure; `Socket.run` sends any number of them in one write
and reads the answers.  A socket belongs to the network namespace in which it was opened, so
whoever wants to work in a container's namespace opens one there.  Numbers are those of
linux/netlink.h, linux/rtnetlink.h, linux/if_link.h and linux/veth.h.

Hot path: `_socket` and not `socket`, which takes 10 ms to import.
"""

from __future__ import annotations

import _socket
import errno
import os
import sys
from struct import Struct

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12
_NF_TABLES = 10 << 8
NFPROTO_IPV4, NFPROTO_BRIDGE, NFPROTO_IPV6 = 2, 7, 10
_BE32 = Struct(">I")

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

NLMSG_ERROR = 2
NLMSG_DONE = 3

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26

NESTED = 0x8000

_SOL_NETLINK, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 270, 10, 11
_SO_SNDBUFFORCE = 32
_F_CAPPED, _F_ACK_TLVS = 0x100, 0x200
_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER = 1, 3, 4, 5, 10
_IFLA_LINKINFO, _IFLA_NET_NS_FD, _IFLA_EXT_MASK = 18, 28, 29
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFLA_INFO_SLAVE_KIND, _IFLA_INFO_SLAVE_DATA, _IFLA_BRPORT_MODE = 4, 5, 4
_IFLA_BRPORT_ISOLATED, _AF_BRIDGE, _IFLA_AF_SPEC = 33, 7, 26
_IFLA_BRIDGE_FLAGS, _IFLA_BRIDGE_VLAN_INFO, _BRIDGE_FLAGS_SELF = 0, 2, 2
_VLAN_PVID, _VLAN_UNTAGGED = 2, 4
_VLAN, _U16 = Struct("=HH"), Struct("=H")
_RTEXT_FILTER_SKIP_STATS = 8
_RT_TABLE_MAIN, _RTPROT_BOOT, _RTN_UNICAST = 254, 3, 1

_HEADER = Struct("=IHHII")
_ATTR = Struct("=HH")
_U32 = Struct("=I")
_I32 = Struct("=i")
_IFINFO = Struct("=BxHiII")
_IFADDR = Struct("=BBBBI")
_ROUTE = Struct("=BBBBBBBBI")

Message = tuple[int, int, bytes]
"""(type, flags, payload after the header)."""


def attr(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTR.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def u32(kind: int, value: int) -> bytes:
    """An attribute that holds a 32-bit number in host order."""
    return attr(kind, _U32.pack(value))


def string(kind: int, value: str) -> bytes:
    """An attribute that holds a NUL-terminated string."""
    return attr(kind, value.encode() + b"\0")


def nest(kind: int, *values: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attr(kind | NESTED, b"".join(values))


def be32(kind: int, value: int) -> bytes:
    """An attribute that holds a 32-bit number in network order, as nf_tables wants them."""
    return attr(kind, _BE32.pack(value & 0xFFFFFFFF))


def nft_message(kind: int, flags: int, family: int, *values: bytes) -> Message:
    """A message of the nf_tables subsystem for a family, NFPROTO_IPV4 or 6 (nfnetlink.h)."""
    return _NF_TABLES | kind, flags, bytes((family, 0, 0, 0)) + b"".join(values)


def attributes(data: bytes, start: int = 0) -> dict[int, bytes]:
    """The attributes in `data` from `start` on, by kind (the last of a kind wins)."""
    found = {}
    while start + 4 <= len(data):
        length, kind = _ATTR.unpack_from(data, start)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[start + 4 : start + length]
        start += length + 3 & ~3
    return found


class Socket:
    """A netlink socket in the current network namespace.  Every error is an OSError."""

    __slots__ = ("_later", "_sequence", "_socket")

    def __init__(self, protocol: int = NETLINK_ROUTE, *, later: bool = False) -> None:
        """later: nobody waits for what the kernel does at its end."""
        self._later = later
        self._socket = _socket.socket(
            _socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, protocol
        )
        self._sequence = 1
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._later:
            self._socket.close()
            return
        from crun_py._native import lib

        lib.crunpy_close_later(self._socket.detach())

    def send(self, messages: list[Message]) -> int:
        """Send all of `messages` in one write; return the sequence number of the first."""
        first = self._sequence
        self._sequence += len(messages)
        data = b"".join(
            _HEADER.pack(16 + len(body), kind, flags | NLM_F_REQUEST, first + n, 0)
            + body
            + b"\0" * (-len(body) % 4)
            for n, (kind, flags, body) in enumerate(messages)
        )
        try:
            self._socket.send(data)
        except OSError as e:
            if e.errno != errno.EMSGSIZE:
                raise
            self._socket.setsockopt(_socket.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * len(data))
            self._socket.send(data)
        return first

    def receive(self, wait: bool = True) -> list[tuple[int, int, int, bytes]]:
        """The next datagram as (type, flags, sequence number, payload); [] if not `wait`ing."""
        try:
            data = self._socket.recv(1 << 17, 0 if wait else _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        found = []
        start = 0
        while start + 16 <= len(data):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, start)
            if length < 16:
                break
            found.append((kind, flags, sequence, data[start + 16 : start + length]))
            start += length + 3 & ~3
        return found

    def run(self, *messages: Message) -> list[OSError | None]:
        """Have the kernel carry out `messages` in order; the outcome of each.

        rtnetlink goes on after a message that fails.
        """
        first = self.send([(kind, flags | NLM_F_ACK, body) for kind, flags, body in messages])
        outcomes: list[OSError | None] = [None] * len(messages)
        waiting = len(messages)
        while waiting:
            for kind, flags, sequence, body in self.receive():
                if kind == NLMSG_ERROR and sequence >= first:
                    outcomes[sequence - first] = failure(flags, body)
                    waiting -= 1
        return outcomes

    def do(self, *messages: Message) -> None:
        """As `run`, but raises the first error."""
        for outcome in self.run(*messages):
            if outcome:
                raise outcome

    def ask(self, message: Message) -> tuple[int, bytes]:
        """(type, payload) of the one answer to the request `message`."""
        first = self.send([message])
        while True:
            for kind, flags, sequence, body in self.receive():
                if sequence != first:
                    continue
                if kind == NLMSG_ERROR:
                    raise failure(flags, body) or OSError(0, "no answer")
                return kind, body

    def dump(self, message: Message) -> list[bytes]:
        """The payloads of all answers to the dump request `message`."""
        first = self.send([(message[0], message[1] | NLM_F_DUMP, message[2])])
        found: list[bytes] = []
        while True:
            for kind, flags, sequence, body in self.receive():
                if sequence != first:
                    continue
                if kind == NLMSG_DONE:
                    return found
                if kind == NLMSG_ERROR:
                    raise failure(flags, body) or OSError(0, "no answer")
                found.append(body)


def failure(flags: int, body: bytes) -> OSError | None:
    """The error that an NLMSG_ERROR message reports, with the kernel's text; None is success."""
    number = -_I32.unpack_from(body)[0]
    if not number:
        return None
    text = os.strerror(number)
    if flags & _F_ACK_TLVS:
        start = 20 if flags & _F_CAPPED else 4 + (_U32.unpack_from(body, 4)[0] + 3 & ~3)
        detail = attributes(body, start).get(1)
        if detail:
            text += " (" + detail.rstrip(b"\0").decode(errors="replace") + ")"
    return OSError(number, text)


def link_get(name: str) -> Message:
    """Ask for the link `name`; see `link_index`."""
    body = _IFINFO.pack(0, 0, 0, 0, 0) + string(_IFLA_IFNAME, name)
    return RTM_GETLINK, 0, body + u32(_IFLA_EXT_MASK, _RTEXT_FILTER_SKIP_STATS)


def link_index(sock: Socket, name: str) -> int:
    """The index of the link `name`.  Raises OSError ENODEV."""
    return int(_IFINFO.unpack_from(sock.ask(link_get(name))[1])[2])


def links(sock: Socket) -> dict[str, int]:
    """Every link's index by name."""
    found = {}
    for body in sock.dump((RTM_GETLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0))):
        name = attributes(body, _IFINFO.size)[_IFLA_IFNAME].rstrip(b"\0").decode()
        found[name] = int(_IFINFO.unpack_from(body)[2])
    return found


def default_link(sock: Socket) -> int:
    """The index of the link that the default route of IPv4 leads over, 0 without one."""
    request = _ROUTE.pack(_socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
    for body in sock.dump((RTM_GETROUTE, 0, request)):
        family, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
        if (family, length, table, kind) == (_socket.AF_INET, 0, _RT_TABLE_MAIN, _RTN_UNICAST):
            link = attributes(body, _ROUTE.size).get(4)
            if link:
                return int(_U32.unpack(link)[0])
    return 0


def veth_add(name: str, peer: str, netns_fd: int, master: int, mac: bytes, mtu: int = 0) -> Message:
    """Make a veth pair: `name` here, up and a port of link `master` (an index; 0 for none),
    and `peer` with address `mac` in the network namespace of `netns_fd`."""
    size = u32(_IFLA_MTU, mtu) if mtu else b""
    other = _IFINFO.pack(0, 0, 0, 0, 0) + string(_IFLA_IFNAME, peer)
    other += attr(_IFLA_ADDRESS, mac) + u32(_IFLA_NET_NS_FD, netns_fd) + size
    body = _IFINFO.pack(0, 0, 0, _IFF_UP, _IFF_UP) + string(_IFLA_IFNAME, name) + size
    if master:
        body += u32(_IFLA_MASTER, master)
    body += nest(
        _IFLA_LINKINFO,
        string(_IFLA_INFO_KIND, "veth"),
        nest(_IFLA_INFO_DATA, nest(_VETH_INFO_PEER, other)),
    )
    return RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body


def port_modes(name: str, *, isolated: bool = False) -> Message:
    """Let the bridge send a frame back through the port `name` that it came from: with
    br_netfilter a container's packet to its own published port takes this way.  isolated: but
    none to other ports that are."""
    mode = attr(_IFLA_BRPORT_MODE, b"\1") + (
        attr(_IFLA_BRPORT_ISOLATED, b"\1") if isolated else b""
    )
    body = _IFINFO.pack(0, 0, 0, 0, 0) + string(_IFLA_IFNAME, name)
    body += nest(
        _IFLA_LINKINFO, string(_IFLA_INFO_SLAVE_KIND, "bridge"), nest(_IFLA_INFO_SLAVE_DATA, mode)
    )
    return RTM_NEWLINK, 0, body


def port_vlan(index: int, vlan: int, *, bridge: bool = False) -> list[Message]:
    """Put the port (or the bridge itself) with this index into a VLAN, untagged, and into no
    other one."""
    head = _IFINFO.pack(_AF_BRIDGE, 0, index, 0, 0)
    flags = attr(_IFLA_BRIDGE_FLAGS, _U16.pack(_BRIDGE_FLAGS_SELF)) if bridge else b""

    def info(number: int, how: int) -> bytes:
        return nest(_IFLA_AF_SPEC, flags + attr(_IFLA_BRIDGE_VLAN_INFO, _VLAN.pack(how, number)))

    found = [(RTM_SETLINK, 0, head + info(vlan, _VLAN_PVID | _VLAN_UNTAGGED))]
    if vlan != 1:
        found.insert(0, (RTM_DELLINK, 0, head + info(1, 0)))
    return found


def link_up(index: int) -> Message:
    """Set link `index` up."""
    return RTM_NEWLINK, 0, _IFINFO.pack(0, 0, index, _IFF_UP, _IFF_UP)


def take_down(sock: Socket, name: str) -> None:
    """Let nothing pass through the link `name` any more; that there is none is no error.

    Takes 0.3 ms, where deleting it takes 20 to 60.  Raises OSError."""
    down = _IFINFO.pack(0, 0, 0, 0, _IFF_UP) + string(_IFLA_IFNAME, name)
    try:
        sock.do((RTM_NEWLINK, 0, down))
    except OSError as e:
        if e.errno != errno.ENODEV:
            raise


def link_rename(index: int, name: str) -> Message:
    """Give link `index`, which is down, another name."""
    return RTM_NEWLINK, 0, _IFINFO.pack(0, 0, index, 0, 0) + string(_IFLA_IFNAME, name)


def link_delete(name: str) -> Message:
    """Delete the link `name` (and a veth's peer)."""
    return RTM_DELLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + string(_IFLA_IFNAME, name)


def delete_if_there(sock: Socket, name: str) -> None:
    """Delete the link `name`; that there is none is no error.  Raises OSError."""
    try:
        sock.do(link_delete(name))
    except OSError as e:
        if e.errno != errno.ENODEV:
            raise


_FAMILIES = {4: _socket.AF_INET, 16: _socket.AF_INET6}
_IFA_F_NODAD = 0x02


def address_add(index: int, address: bytes, prefix: int) -> Message:
    """Give link `index` the address, of either family: IPv4 with the subnet's broadcast address,
    IPv6 to be used at once, for whoever chose it knows that it is nobody else's."""
    if len(address) == 16:
        body = _IFADDR.pack(_socket.AF_INET6, prefix, _IFA_F_NODAD, 0, index)
        return RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body + attr(2, address) + attr(1, address)
    number = int.from_bytes(address, "big")
    broadcast = (number | (1 << (32 - prefix)) - 1).to_bytes(4, "big")
    body = _IFADDR.pack(_socket.AF_INET, prefix, 0, 0, index)
    body += attr(2, address) + attr(1, address) + attr(4, broadcast)
    return RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body


def addresses(sock: Socket) -> list[tuple[int, bytes, int]]:
    """(link index, address, prefix length) of every IPv4 address."""
    found = []
    for body in sock.dump((RTM_GETADDR, 0, _IFADDR.pack(_socket.AF_INET, 0, 0, 0, 0))):
        _, prefix, _, _, index = _IFADDR.unpack_from(body)
        parts = attributes(body, _IFADDR.size)
        found.append((index, parts.get(2) or parts[1], prefix))
    return found


def route_add(
    gateway: bytes, index: int, destination: bytes = b"", prefix: int = 0, metric: int = 0
) -> Message:
    """Route `destination`, everything by default, over `gateway` through link `index`."""
    family = _FAMILIES[len(gateway)]
    body = _ROUTE.pack(family, prefix, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, 0, _RTN_UNICAST, 0)
    body += attr(1, destination) if destination else b""
    body += attr(5, gateway) + u32(4, index) + (u32(6, metric) if metric else b"")
    return RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, body


def shared_link_add(
    kind: str, name: str, parent: int, netns_fd: int, mode: int, mac: bytes, mtu: int = 0
) -> Message:
    """Make a macvlan or ipvlan link on top of link `parent`, in the network namespace of
    `netns_fd`.  mode: a number of if_link.h; mac: b"" leaves the kernel's."""
    body = _IFINFO.pack(0, 0, 0, 0, 0) + string(_IFLA_IFNAME, name)
    body += u32(_IFLA_LINK, parent) + u32(_IFLA_NET_NS_FD, netns_fd)
    body += attr(_IFLA_ADDRESS, mac) if mac else b""
    body += u32(_IFLA_MTU, mtu) if mtu else b""
    value = u32(1, mode) if kind == "macvlan" else attr(1, mode.to_bytes(2, sys.byteorder))
    body += nest(_IFLA_LINKINFO, string(_IFLA_INFO_KIND, kind), nest(_IFLA_INFO_DATA, value))
    return RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body
