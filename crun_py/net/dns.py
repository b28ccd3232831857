"""What the DNS responder of a container on user networks gets: its sockets and the file `names`.

The responder (`_native/dns.c`) is a child of the container's monitor.  A plan has it with

    udp, tcp = dns.sockets(netns_fd)
    plan.add(SET_DNS, directory, *servers, a=udp, b=tcp)   # and launch(…, inherit=[…, udp, tcp])

after which the caller closes both sockets.  It reads `names` in `directory` whenever that has been
replaced; until the file has a line of the container's own it forwards nothing.
"""

from __future__ import annotations

import _socket
import fcntl
import os
from _struct import pack, unpack

from crun_py.errors import CrunpyError
from crun_py.jsonfile import write_bytes
from crun_py.net import inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ADDRESS, PORT = "127.0.0.11", 53
FILE = "names"
_BACKLOG = 64
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_IFREQ = "16sh14x"
"""netdevice(7): struct ifreq with flags."""


def sockets(netns_fd: int, *, aside: bool = False) -> tuple[int, int]:
    """(UDP socket, listening TCP socket) at 127.0.0.11:53 in the network namespace `netns_fd`.

    `lo` is up there afterwards.  The caller closes both.

    aside: for a container that is a name server itself and will want port 53 of all addresses:
    another port, to which the kernel leads what goes to 53.  (Without, only a server that sets
    SO_REUSEADDR and SO_REUSEPORT can have it.)  Raises CrunpyError.
    """
    made: list[int] = []

    def make() -> None:
        _loopback_up()
        for kind in (_socket.SOCK_DGRAM, _socket.SOCK_STREAM):
            made.append(_bound(kind, 0 if aside else PORT))
        if aside:
            _lead(*made)

    try:
        inside.run(netns_fd, make)
    except BaseException as e:
        for fd in made:
            os.close(fd)
        if isinstance(e, OSError):
            raise CrunpyError.from_os(f"opening the DNS sockets at {ADDRESS}", e) from e
        raise
    return made[0], made[1]


def asked(servers: Sequence[str]) -> tuple[str, ...]:
    """Whom a container asks for other names by its own --dns, for SET_DNS: from within (by "@"), so
    that servers of its networks may be among them; but the host's loopback from the host."""
    inside = not any(server.startswith("127.") or server == "::1" for server in servers)
    return tuple(dict.fromkeys("@" + server if inside else server for server in servers))


def _loopback_up() -> None:
    """As init does later.  IP_FREEBIND would not do: in a namespace without addresses the kernel
    takes any for a broadcast one, and answers then come from 127.0.0.1."""
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        found = fcntl.ioctl(sock.fileno(), _SIOCGIFFLAGS, pack(_IFREQ, b"lo", 0))
        flags = unpack(_IFREQ, found)[1]
        if not flags & _IFF_UP:
            fcntl.ioctl(sock.fileno(), _SIOCSIFFLAGS, pack(_IFREQ, b"lo", flags | _IFF_UP))
    finally:
        sock.close()


def _lead(udp: int, tcp: int) -> None:
    from crun_py.net import ip, nft, nft_table

    ports = {}
    for protocol, fd in (("udp", udp), ("tcp", tcp)):
        sock = _socket.socket(fileno=fd)
        ports[nft.PROTOCOLS[protocol]] = sock.getsockname()[1]
        sock.detach()
    with nft.socket() as filter_sock:
        nft.commit(filter_sock, nft_table.name_server("crunpy_names", ip.packed(ADDRESS), ports))


def _bound(kind: int, port: int) -> int:
    sock = _socket.socket(_socket.AF_INET, kind | _socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEPORT, 1)
        sock.bind((ADDRESS, port))
        if kind == _socket.SOCK_STREAM:
            sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock.detach()


def line(
    owner: str, network: str, address: str, names: Iterable[str], *, internal: bool = False
) -> str:
    """One line of `names`: the container `owner` (64 hex digits) has `address` (IPv4 or IPv6) on
    `network`, and is found there by each of `names` and by NAME.NETWORK."""
    mark = "!" if internal else ""
    return " ".join([owner, mark + network, address, *(name.lower() for name in names)])


def write_names(path: str, lines: Iterable[str]) -> None:
    """Replace the file `path` (DIRECTORY/names) by `lines`, in one rename.

    Every responder that reads it sees the new content at its next query.  Callers keep each other
    out: of two at once, one wins.  Raises CrunpyError naming the path.
    """
    text = "".join(f"{each}\n" for each in lines)
    write_bytes(path, text.encode(), durable=False)
