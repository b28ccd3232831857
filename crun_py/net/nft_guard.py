"""The guard of our bridges: a table of the bridge family in which each interface has the addresses
that may be behind it, so that no container speaks as another one or as the gateway.

    set guarded     interface names: the host's ends of containers' interfaces
    set macs        (interface, hardware address)
    set senders     (interface, IPv4 address)
    set senders6    (interface, IPv6 address)
    set whole       (interface, hardware address, IPv4 address): what most packets are looked up by
    prerouting      what comes from a guarded interface and is not in them is dropped, senders in
                    ARP and targets in neighbour advertisements too; so are router advertisements

A kernel without nf_tables for bridges has none of it; the rest works.  Numbers are those of
linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import errno

from crun_py.net import ip, nft
from crun_py.net.netlink import NFPROTO_BRIDGE, NLM_F_CREATE, Message, Socket
from crun_py.net.nft import element, elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.network import Attachment

_NEWELEMENT, _DELELEMENT = 12, 14
_WHOLE = "whole"
_ABSENT = (errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)


def _of(attachment: Attachment) -> list[tuple[str, bytes]]:
    """(set, element) of each that an attachment has."""
    name = attachment.host_interface.encode().ljust(16, b"\0")
    mac = bytes.fromhex(attachment.mac.replace(":", ""))
    found = [("guarded", element(name)), ("macs", element(name + mac + b"\0\0"))]
    for address in (attachment.ip, *attachment.link_local):
        if address:
            found.append(("senders", element(name + ip.packed(address))))
            found.append((_WHOLE, element(name + mac + b"\0\0" + ip.packed(address))))
    if attachment.ip6:
        found.append(("senders6", element(name + ip.packed(attachment.ip6))))
    return found


def add(sock: Socket, attachment: Attachment) -> None:
    """Guard the interface of `attachment`; the table is made if it is not there.

    Nothing, where the kernel has no such tables.  Raises CrunpyError.
    """
    messages: list[Message] = []
    table = attachment.table
    wanted = [
        elements(_NEWELEMENT, NLM_F_CREATE, NFPROTO_BRIDGE, table, name, [one])
        for name, one in _of(attachment)
    ]
    try:
        try:
            nft.commit(sock, wanted)
        except FileNotFoundError:
            from crun_py.net import nft_table  # once per boot

            messages = nft_table.guard(table)
            try:
                nft.commit(sock, [*messages, *wanted])
            except FileExistsError:
                _add_to(sock, attachment)
    except OSError as e:
        if e.errno not in _ABSENT:
            raise


def _add_to(sock: Socket, attachment: Attachment) -> None:
    """To a table that another command has just made, or another version, without `whole`."""
    for known in (True, False):
        try:
            wanted = [
                elements(_NEWELEMENT, NLM_F_CREATE, NFPROTO_BRIDGE, attachment.table, name, [one])
                for name, one in _of(attachment)
                if known or name != _WHOLE
            ]
            nft.commit(sock, wanted)
            return
        except FileNotFoundError:
            if not known:
                raise


def remove(sock: Socket, attachment: Attachment) -> None:
    """Undo `add`; what is gone already is no error."""
    wanted = [
        elements(_DELELEMENT, 0, NFPROTO_BRIDGE, attachment.table, name, [one])
        for name, one in _of(attachment)
    ]
    try:
        nft.commit(sock, wanted)
    except OSError as e:
        if e.errno not in _ABSENT:
            raise
        for message in wanted:
            try:
                nft.commit(sock, [message])
            except OSError as again:
                if again.errno not in _ABSENT:
                    raise
