"""nftables by netlink: the table of a store, with one map element per published port.

Publishing a port adds one element, and a packet costs two hash lookups however many ports
there are; nft_table says what is in the table.  `nft list table ip crunpy` shows all of it,
but the program is not needed.
Numbers are those of linux/netfilter/nf_tables.h and nfnetlink.h; a batch is one kernel
transaction.  Every function works in the network namespace in which `socket` was opened.
"""

from __future__ import annotations

import errno

from crun_py.errors import CrunpyError, Unsupported
from crun_py.net import ip
from crun_py.net.netlink import (
    NETLINK_NETFILTER,
    NFPROTO_BRIDGE,
    NFPROTO_IPV4,
    NFPROTO_IPV6,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLMSG_ERROR,
    Message,
    Socket,
    attr,
    attributes,
    failure,
    nest,
    nft_message,
    string,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crun_py.model.network import Attachment

_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_GETTABLE, _DELTABLE = 1, 2
_NEWELEMENT, _GETELEMENT, _DELELEMENT = 12, 13, 14


PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}

Entry = tuple[str, str, int, str, int]
"""A published port: (host address or "", protocol, host port, container address, port)."""


def entries(attachment: Attachment) -> list[Entry]:
    """The nftables elements that lead the ports to a container, in each family that it has; an
    address of the host is of one.  In a hub, which has not the host's addresses, all come to its
    own; but the monitor passes on what comes to one of the host's by tcp."""
    return [
        (host_ip, port.protocol, port.host_port, address, port.container_port)
        for port in attachment.ports
        for address in (attachment.ip, attachment.ip6)
        for host_ip in ("" if attachment.hub and port.protocol != "tcp" else port.host_ip,)
        if not attachment.routed or (address and NAMES[family_of(address)] not in attachment.routed)
        if attachment.hub == 0 or port.protocol != "tcp" or host_ip in ("", "0.0.0.0", "::")
        if address and host_ip != "::1" and (not host_ip or ip.width(host_ip) == ip.width(address))
    ]


FILTER_TABLE = "filter"
"""That of iptables-nft, in each family (nft_forward)."""
FAMILIES = (NFPROTO_IPV4, NFPROTO_IPV6)
"""Each has a table of its own, with the same name."""
NAMES = {NFPROTO_IPV4: "ipv4", NFPROTO_IPV6: "ipv6"}


def family_of(text: str) -> int:
    """The family of an address or subnet."""
    return NFPROTO_IPV6 if ip.width(text) == ip.IPv6 else NFPROTO_IPV4


def element(key: bytes, data: bytes = b"") -> bytes:
    """An element of a set, or of a map that has `data` for it."""
    values = nest(1, attr(1, key))
    return nest(1, values, nest(2, attr(1, data)) if data else b"")


def elements(
    kind: int, flags: int, family: int, table: str, name: str, all: list[bytes]
) -> Message:
    """A message about elements of the set `name`."""
    return nft_message(kind, flags, family, string(1, table), string(2, name), nest(3, *all))


def _name_key(interface: str) -> bytes:
    return interface.encode().ljust(16, b"\0")


class _Element:
    """A published port in a map: family and name say which."""

    __slots__ = ("data", "family", "key", "name")

    def __init__(self, entry: Entry) -> None:
        host_address, protocol, host_port, address, port = entry
        # parts of a key are padded to four bytes
        key = bytes((PROTOCOLS[protocol], 0, 0, 0)) + host_port.to_bytes(2, "big") + b"\0\0"
        self.family = family_of(address)
        self.data = ip.packed(address) + port.to_bytes(2, "big") + b"\0\0"
        if host_address in ("", "0.0.0.0", "::"):
            self.name, self.key = "ports", key
        else:
            self.name, self.key = "address_ports", ip.packed(host_address) + key


def socket(*, later: bool = False) -> Socket:
    """A socket for this module's functions.  Raises Unsupported without nf_tables.

    later: something is removed by it, which the kernel frees only after a while."""
    try:
        return Socket(NETLINK_NETFILTER, later=later)
    except OSError as e:
        raise _unsupported(e) from e


def _unsupported(error: OSError) -> CrunpyError:
    if error.errno == errno.EPERM:
        return CrunpyError.from_os("setting up nftables", error, hint="it takes CAP_NET_ADMIN")
    return Unsupported.from_os(
        "setting up nftables",
        error,
        hint="the kernel lacks nf_tables: try `modprobe nf_tables nft_chain_nat nft_fib_ipv4 "
        "nft_masq nft_ct`, or run with --network host or none",
    )


def commit(sock: Socket, messages: list[Message]) -> None:
    """One transaction.  Raises the first OSError; nothing has then been changed."""
    begin = (_BATCH_BEGIN, 0, b"\0\0\0\x0a")
    end = (_BATCH_END, 0, b"\0\0\0\x0a")
    sock.send([begin, *[(kind, flags | NLM_F_ACK, body) for kind, flags, body in messages], end])
    # the kernel has queued every answer by the time the write returns
    first: OSError | None = None
    answered = False
    while answers := sock.receive(wait=False):
        for kind, flags, _, body in answers:
            if kind == NLMSG_ERROR:
                answered = True
                first = first or failure(flags, body)
    if first:
        raise first
    if not answered:
        raise OSError(errno.EPROTO, "the kernel did not answer")


def has_bridge(sock: Socket, table: str, interface: str, family: int = NFPROTO_IPV4) -> bool:
    """Whether the table of the family exists and `interface` is in its set of bridges."""
    key = element(_name_key(interface))
    try:
        sock.ask(elements(_GETELEMENT, 0, family, table, "bridges", [key]))
    except OSError as e:
        if e.errno == errno.ENOENT:
            return False
        raise _unsupported(e) from e
    return True


def opened(attachment: Attachment) -> list[tuple[str, str, int]]:
    """(address, protocol, port) of the container's own that are published by routing alone."""
    return [
        (address, port.protocol, port.container_port)
        for port in attachment.ports
        for address in (attachment.ip, attachment.ip6)
        if address and NAMES[family_of(address)] in attachment.routed
    ]


def add_bridge(
    sock: Socket,
    table: str,
    interface: str,
    subnets: list[str],
    *,
    internal: bool = False,
    between: bool = True,
    plain: Sequence[int] = (),
) -> None:
    """Make the tables unless they exist and add a bridge with its subnets, in one transaction.

    between: its containers reach each other; plain: the families that are not translated.  The
    caller holds a lock: rules added twice would be there twice.  Raises Unsupported.
    """
    messages: list[Message] = []
    for family in FAMILIES:
        own = [subnet for subnet in subnets if family_of(subnet) == family]
        if not own:
            continue
        if not exists(sock, table, family):
            from crun_py.net import nft_table  # once per boot

            messages += nft_table.messages(table, family)
        for name, one in _bridge_elements(interface, own):
            wanted = {"internal": internal, "pairs": between, "plain": family in plain}
            if wanted.get(name, True):
                messages.append(elements(_NEWELEMENT, NLM_F_CREATE, family, table, name, [one]))
    try:
        commit(sock, messages)
    except OSError as e:
        if e.errno == errno.ENOENT:
            raise _outdated(table, e) from e
        raise _unsupported(e) from e


def _outdated(table: str, error: OSError) -> CrunpyError:
    return CrunpyError.from_os(
        f"adding to nftables table {table}",
        error,
        hint=f"another version made it: `nft delete table ip {table}` (and ip6), then "
        "`crunpy network reload -a`",
    )


def remove_bridge(sock: Socket, table: str, interface: str, subnets: list[str]) -> None:
    """Take a bridge out of the sets; that it is not there is no error."""
    for family in FAMILIES:
        own = [subnet for subnet in subnets if family_of(subnet) == family]
        for name, one in _bridge_elements(interface, own):
            try:
                commit(sock, [elements(_DELELEMENT, 0, family, table, name, [one])])
            except OSError as e:
                if e.errno != errno.ENOENT:
                    raise CrunpyError.from_os(f"removing {interface} from nftables", e) from e


def _bridge_elements(interface: str, subnets: list[str]) -> list[tuple[str, bytes]]:
    """(set, element) of each set that lists bridges."""
    key = _name_key(interface)
    found = [(name, element(key)) for name in ("bridges", "internal", "plain")]
    found.append(("pairs", element(key + key)))
    for text in subnets:
        subnet = ip.subnet(text)
        size = subnet[2] // 8
        whole = nest(
            1,
            nest(1, attr(1, key + subnet[0].to_bytes(size, "big"))),
            nest(10, attr(1, key + ip.last(subnet).to_bytes(size, "big"))),
        )
        found.append(("subnets", whole))
    return found


def exists(sock: Socket, table: str, family: int = NFPROTO_IPV4) -> bool:
    """Whether the table exists."""
    try:
        sock.ask(nft_message(_GETTABLE, 0, family, string(1, table)))
    except OSError as e:
        if e.errno == errno.ENOENT:
            return False
        raise _unsupported(e) from e
    return True


def remove_tables(sock: Socket, table: str) -> None:
    """Delete a store's tables, in all families; those that are not there are no error."""
    for family in (*FAMILIES, NFPROTO_BRIDGE):
        try:
            commit(sock, [nft_message(_DELTABLE, 0, family, string(1, table))])
        except OSError as e:
            if e.errno not in (errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
                raise CrunpyError.from_os(f"removing nftables table {table}", e) from e


def publish(sock: Socket, table: str, entries: list[Entry], check: Callable[[], None]) -> None:
    """Publish `entries`, all or none.

    The caller holds the host ports (ports.reserve), so an element found for one of them was
    left by a container that is gone, and is replaced; check: is called before that, and raises
    if it was not.  Raises CrunpyError.
    """
    wanted = [_Element(entry) for entry in entries]
    if not wanted:  # all are passed on by a monitor
        return
    create = _grouped(_NEWELEMENT, NLM_F_CREATE | NLM_F_EXCL, table, wanted, data=True)
    try:
        try:
            commit(sock, create)
        except FileExistsError:
            check()
            stale = [one for one in wanted if _lookup(sock, table, one)]
            commit(sock, _grouped(_DELELEMENT, 0, table, stale) + create)
    except OSError as e:
        raise CrunpyError.from_os(f"publishing ports in nftables table {table}", e) from e


def _opened(entry: tuple[str, str, int]) -> bytes:
    address, protocol, port = entry
    packed = bytes((PROTOCOLS[protocol], 0, 0, 0)) + port.to_bytes(2, "big") + b"\0\0"
    return element(ip.packed(address) + packed)


def open_ports(sock: Socket, table: str, entries: list[tuple[str, str, int]]) -> None:
    """Let in what is routed to (address, protocol, port) of containers; again is no error."""
    for entry in entries:
        family = family_of(entry[0])
        try:
            message = elements(_NEWELEMENT, NLM_F_CREATE, family, table, "open", [_opened(entry)])
            commit(sock, [message])
        except OSError as e:
            raise _outdated(table, e) from e


def close_ports(sock: Socket, table: str, entries: list[tuple[str, str, int]]) -> None:
    """Undo `open_ports`; what is gone is no error."""
    for entry in entries:
        family = family_of(entry[0])
        try:
            commit(sock, [elements(_DELELEMENT, 0, family, table, "open", [_opened(entry)])])
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise CrunpyError.from_os(f"closing ports in nftables table {table}", e) from e


def unpublish(sock: Socket, table: str, entries: list[Entry]) -> None:
    """Take back `entries`, but those that lead elsewhere by now.  Raises CrunpyError."""
    wanted = [_Element(entry) for entry in entries]
    ours = [one for one in wanted if _lookup(sock, table, one) == one.data]
    if not ours:
        return
    try:
        commit(sock, _grouped(_DELELEMENT, 0, table, ours))
    except OSError as e:
        if e.errno != errno.ENOENT:
            raise CrunpyError.from_os(f"removing ports in nftables table {table}", e) from e


def _grouped(
    kind: int, flags: int, table: str, wanted: list[_Element], *, data: bool = False
) -> list[Message]:
    """Few messages for many elements: the 16-bit length of an attribute holds some 1,000."""
    found = []
    for family, name in {(one.family, one.name): None for one in wanted}:
        chosen = [
            element(one.key, one.data if data else b"")
            for one in wanted
            if (one.family, one.name) == (family, name)
        ]
        for start in range(0, len(chosen), 500):
            part = chosen[start : start + 500]
            found.append(elements(kind, flags, family, table, name, part))
    return found


def _lookup(sock: Socket, table: str, one: _Element) -> bytes | None:
    """The data that its map has for the key of `one`, or None."""
    request = elements(_GETELEMENT, 0, one.family, table, one.name, [element(one.key)])
    try:
        _, body = sock.ask(request)
    except OSError as e:
        if e.errno == errno.ENOENT:
            return None
        raise CrunpyError.from_os(f"reading nftables table {table}", e) from e
    found = attributes(attributes(attributes(body, 4)[3])[1])
    return attributes(found[2])[1]
