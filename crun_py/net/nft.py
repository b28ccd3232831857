"""nftables by netlink: the table of a store, with one map element per published port.

Publishing a port adds one element, and a packet costs two hash lookups however many ports
there are; nft_table says what is in the table.  `nft list table ip crunpy` shows all of it,
but the program is not needed.
Numbers are those of linux/netfilter/nf_tables.h and nfnetlink.h; a batch is one kernel
transaction.  Every function works in the network namespace in which `socket` was opened.
"""

from __future__ import annotations

import _socket
import errno

from crun_py.errors import CrunpyError, Unsupported
from crun_py.net import ipv4
from crun_py.net.netlink import (
    NETLINK_NETFILTER,
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

_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_GETTABLE, _DELTABLE = 1, 2
_NEWELEMENT, _GETELEMENT, _DELELEMENT = 12, 13, 14


PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}

Entry = tuple[str, str, int, str, int]
"""A published port: (host address or "", protocol, host port, container address, port)."""


def _element(key: bytes, data: bytes = b"") -> bytes:
    values = nest(1, attr(1, key))
    return nest(1, values, nest(2, attr(1, data)) if data else b"")


def _elements(kind: int, flags: int, table: str, name: str, elements: list[bytes]) -> Message:
    return nft_message(kind, flags, string(1, table), string(2, name), nest(3, *elements))


def _name_key(interface: str) -> bytes:
    return interface.encode().ljust(16, b"\0")


def _port_element(entry: Entry) -> tuple[str, bytes, bytes]:
    """(map, key, data) of a published port; parts of a key are padded to four bytes."""
    host_address, protocol, host_port, address, port = entry
    key = bytes((PROTOCOLS[protocol], 0, 0, 0)) + host_port.to_bytes(2, "big") + b"\0\0"
    data = _socket.inet_aton(address) + port.to_bytes(2, "big") + b"\0\0"
    if host_address in ("", "0.0.0.0"):
        return "ports", key, data
    return "address_ports", _socket.inet_aton(host_address) + key, data


def socket() -> Socket:
    """A socket for this module's functions.  Raises Unsupported without nf_tables."""
    try:
        return Socket(NETLINK_NETFILTER)
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


def _commit(sock: Socket, messages: list[Message]) -> None:
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


def has_bridge(sock: Socket, table: str, interface: str) -> bool:
    """Whether the table exists and `interface` is in its set of bridges."""
    key = _element(_name_key(interface))
    try:
        sock.ask(_elements(_GETELEMENT, 0, table, "bridges", [key]))
    except OSError as e:
        if e.errno == errno.ENOENT:
            return False
        raise _unsupported(e) from e
    return True


def add_bridge(sock: Socket, table: str, interface: str, subnet: str) -> None:
    """Make the table unless it exists and add a bridge with its subnet, in one transaction.

    The caller holds a lock: rules added twice would be there twice.  Raises Unsupported.
    """
    messages: list[Message] = []
    if not exists(sock, table):
        from crun_py.net import nft_table  # once per boot

        messages = nft_table.messages(table)
    for name, element in _bridge_elements(interface, subnet):
        messages.append(_elements(_NEWELEMENT, NLM_F_CREATE, table, name, [element]))
    try:
        _commit(sock, messages)
    except OSError as e:
        raise _unsupported(e) from e


def remove_bridge(sock: Socket, table: str, interface: str, subnet: str) -> None:
    """Take a bridge out of the sets; that it is not there is no error."""
    for name, element in _bridge_elements(interface, subnet):
        try:
            _commit(sock, [_elements(_DELELEMENT, 0, table, name, [element])])
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise CrunpyError.from_os(f"removing {interface} from nftables", e) from e


def _bridge_elements(interface: str, subnet: str) -> list[tuple[str, bytes]]:
    """(set, element) of each set that lists bridges."""
    key = _name_key(interface)
    base, prefix = ipv4.parse_subnet(subnet)
    last = base + (1 << (32 - prefix)) - 1
    whole = nest(
        1,
        nest(1, attr(1, key + base.to_bytes(4, "big"))),
        nest(10, attr(1, key + last.to_bytes(4, "big"))),
    )
    return [("bridges", _element(key)), ("pairs", _element(key + key)), ("subnets", whole)]


def exists(sock: Socket, table: str) -> bool:
    """Whether the table exists."""
    try:
        sock.ask(nft_message(_GETTABLE, 0, string(1, table)))
    except OSError as e:
        if e.errno == errno.ENOENT:
            return False
        raise _unsupported(e) from e
    return True


def publish(sock: Socket, table: str, entries: list[Entry]) -> None:
    """Publish `entries`, all or none.

    The caller holds the host ports (ports.reserve), so an element found for one of them was
    left by a container that is gone, and is replaced.  Raises CrunpyError.
    """
    wanted = [_port_element(entry) for entry in entries]
    create = _grouped(_NEWELEMENT, NLM_F_CREATE | NLM_F_EXCL, table, wanted)
    try:
        try:
            _commit(sock, create)
        except FileExistsError:
            stale = [(name, key, b"") for name, key, _ in wanted if _lookup(sock, table, name, key)]
            _commit(sock, _grouped(_DELELEMENT, 0, table, stale) + create)
    except OSError as e:
        raise CrunpyError.from_os(f"publishing ports in nftables table {table}", e) from e


def unpublish(sock: Socket, table: str, entries: list[Entry]) -> None:
    """Take back `entries`, but those that lead elsewhere by now.  Raises CrunpyError."""
    ours = []
    for entry in entries:
        name, key, data = _port_element(entry)
        if _lookup(sock, table, name, key) == data:
            ours.append((name, key, b""))
    if not ours:
        return
    try:
        _commit(sock, _grouped(_DELELEMENT, 0, table, ours))
    except OSError as e:
        if e.errno != errno.ENOENT:
            raise CrunpyError.from_os(f"removing ports in nftables table {table}", e) from e


def _grouped(
    kind: int, flags: int, table: str, elements: list[tuple[str, bytes, bytes]]
) -> list[Message]:
    """Few messages for many elements: the 16-bit length of an attribute holds some 1,400."""
    found = []
    for name in ("ports", "address_ports"):
        chosen = [_element(key, data) for where, key, data in elements if where == name]
        for start in range(0, len(chosen), 1000):
            found.append(_elements(kind, flags, table, name, chosen[start : start + 1000]))
    return found


def _lookup(sock: Socket, table: str, name: str, key: bytes) -> bytes | None:
    """The data of the element `key` of map `name`, or None."""
    try:
        _, body = sock.ask(_elements(_GETELEMENT, 0, table, name, [_element(key)]))
    except OSError as e:
        if e.errno == errno.ENOENT:
            return None
        raise CrunpyError.from_os(f"reading nftables table {table}", e) from e
    element = attributes(attributes(attributes(body, 4)[3])[1])
    return attributes(element[2])[1]
