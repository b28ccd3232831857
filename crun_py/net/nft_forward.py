"""The chain FORWARD of the tables `filter` of iptables-nft, where rules of Docker, ufw and others
are, and whose policy may be to drop.

A packet must be accepted by every table: at the end of that chain each of our bridges gets two
rules, which let pass what its own rules (nft_table) have let pass.  What somebody refuses in rules
before that stays refused.  They are known by their comment.
"""

from __future__ import annotations

import errno

from crun_py.errors import CrunpyError
from crun_py.net import nft, nft_table
from crun_py.net.netlink import (
    NLM_F_APPEND,
    NLM_F_CREATE,
    Message,
    Socket,
    attr,
    attributes,
    nft_message,
    string,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_GETCHAIN, _NEWRULE, _GETRULE, _DELRULE = 4, 6, 7, 8
_TABLE, _CHAIN = nft.FILTER_TABLE, "FORWARD"
_HANDLE, _USERDATA = 3, 7
_CHAIN_NAME = 3


def let_through(sock: Socket, interface: str, families: Iterable[int]) -> None:
    """Add the rules of the bridge `interface` where they are missing.  Raises CrunpyError."""
    for family in families:
        rules = nft_table.let_through(interface)
        missing = len(rules) - len(_ours(sock, interface, family))
        if missing <= 0 or not _is_there(sock, family):
            continue
        take_back(sock, interface, (family,))
        add = [
            nft_message(
                _NEWRULE,
                NLM_F_CREATE | NLM_F_APPEND,
                family,
                string(1, _TABLE) + string(2, _CHAIN) + rule + attr(_USERDATA, _note(interface)),
            )
            for rule in rules
        ]
        _commit(sock, add, interface)


def take_back(sock: Socket, interface: str, families: Iterable[int] = nft.FAMILIES) -> None:
    """Remove the rules of the bridge `interface`; that there are none is no error."""
    for family in families:
        gone = [
            nft_message(
                _DELRULE, 0, family, string(1, _TABLE) + string(2, _CHAIN) + attr(_HANDLE, handle)
            )
            for handle in _ours(sock, interface, family)
        ]
        if gone:
            _commit(sock, gone, interface)


def _note(interface: str) -> bytes:
    """What nft(8) shows as a comment: a type, a length and a text."""
    text = f"crunpy: {interface}".encode() + b"\0"
    return bytes((0, len(text))) + text


def _is_there(sock: Socket, family: int) -> bool:
    try:
        sock.ask(nft_message(_GETCHAIN, 0, family, string(1, _TABLE), string(_CHAIN_NAME, _CHAIN)))
    except OSError as e:
        if e.errno == errno.ENOENT:
            return False
        raise CrunpyError.from_os("reading nftables table filter", e) from e
    return True


def _ours(sock: Socket, interface: str, family: int) -> list[bytes]:
    """The handles of our rules for a bridge."""
    try:
        found = sock.dump(nft_message(_GETRULE, 0, family, string(1, _TABLE), string(2, _CHAIN)))
    except OSError as e:
        if e.errno == errno.ENOENT:
            return []
        raise CrunpyError.from_os("reading nftables table filter", e) from e
    rules = (attributes(body, 4) for body in found)
    return [rule[_HANDLE] for rule in rules if rule.get(_USERDATA) == _note(interface)]


def _commit(sock: Socket, messages: list[Message], interface: str) -> None:
    try:
        nft.commit(sock, messages)
    except OSError as e:
        if e.errno != errno.ENOENT:  # somebody has flushed it just now
            raise CrunpyError.from_os(f"letting {interface} through table filter", e) from e
