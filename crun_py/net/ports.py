"""Published ports: what -p means, and holding the host's side of them.

A published port is held by a socket that is bound but does not listen: the kernel's NAT
takes the packets before they get to it, while any other program that binds the port is
refused, and before the container starts we are.  (Listening would only make the host accept
and forget connections that NAT did not take; it is the last resort where connections of an
earlier program linger in TIME_WAIT.)  Of IPv6 it listens: what NAT does not take (from ::1 the
kernel forwards nothing) the monitor passes on (_native/relay.c).
"""

from __future__ import annotations

import _socket
import errno
import os

from crun_py.errors import Conflict, CrunpyError, InvalidArgument, Unsupported
from crun_py.model.network import PortMapping
from crun_py.net import ip
from crun_py.net.nft import PROTOCOLS
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.paths import Paths


def described(port: PortMapping) -> str:
    """A published port in an error."""
    address = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip or "0.0.0.0"
    where = f"{address}:{port.host_port}"
    return f"{where}->{port.container_port}/{port.protocol}"


LOOPBACK6, ALL6 = "::1", "::"
"""The kernel forwards nothing from there: the container's monitor passes connections on."""


def is_relayed(port: PortMapping) -> bool:
    """Whether it is published at addresses of IPv6 alone: NAT may not take it."""
    return ":" in port.host_ip and port.protocol == "tcp"


def relayed(ports: Iterable[PortMapping]) -> dict[int, PortMapping]:
    """Sockets that listen at all addresses of IPv6, where that is free, for those of `ports` that
    are published on all addresses: what NAT does not take (`localhost`; all, where a network has no
    IPv6) is passed on.  By their descriptors, which are close-on-exec."""
    found: dict[int, PortMapping] = {}
    for port in ports:
        if port.protocol != "tcp" or port.host_ip:
            continue
        try:
            fd, _ = _bind(ALL6, port.host_port, "tcp")
        except OSError:
            continue  # another program's, or a host without IPv6
        found[fd] = port
    return found


def listen(fd: int) -> None:
    """Have a socket that holds a port listen, for a monitor that passes connections on."""
    sock = _socket.socket(fileno=fd)
    try:
        _listen(sock)
    finally:
        sock.detach()


def key(port: PortMapping) -> int:
    """By which a container's monitor knows the socket that holds a port."""
    return PROTOCOLS[port.protocol] << 16 | port.host_port


def parse(spec: str) -> list[PortMapping]:
    """The ports of one -p option: [[IP:][HOST]:]CONTAINER[/PROTOCOL], each possibly a range.

    Raises InvalidArgument for a malformed one, Unsupported for udp at ::1.
    """
    body, slash, protocol = spec.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"publishing {spec!r}: unknown protocol {protocol!r}", hint=_FORM)
    host_ip = ""
    if body.startswith("["):
        host_ip, _, body = body[1:].partition("]")
        if not body.startswith(":") or ip.width(host_ip) != ip.IPv6:
            raise InvalidArgument(f"publishing {spec!r}: not an IPv6 address in []", hint=_FORM)
        host_ip = ip.text(ip.number(host_ip), ip.IPv6)
        if host_ip == LOOPBACK6 and protocol != "tcp":
            raise Unsupported(
                f"publishing {spec!r}: the kernel forwards nothing from ::1, only tcp is passed on",
                hint="127.0.0.1, which `localhost` is too, or an address of the host",
            )
        body = "v6" + body
    fields = body.split(":")
    if len(fields) > 3:
        raise InvalidArgument(f"publishing {spec!r}: too many colons", hint=_FORM)
    if len(fields) == 2 and "." in fields[0]:
        raise InvalidArgument(
            f"publishing {spec!r}: {fields[0]!r} is not a port",
            hint=f"did you mean {fields[0]}::{fields[1]}?",
        )
    if len(fields) == 3 and not host_ip:
        host_ip = fields[0] and ip.text(ip.number(fields[0]))
    inside, inside_last = _range(fields[-1], spec)
    host = fields[-2] if len(fields) > 1 else ""
    if not host:
        return [
            PortMapping(container_port=n, host_ip=host_ip, protocol=protocol)
            for n in range(inside, inside_last + 1)
        ]
    outside, outside_last = _range(host, spec, allow_zero=True)
    if inside == inside_last and outside_last > outside:
        chosen = PortMapping(container_port=inside, host_ip=host_ip, host_port=outside,
                             protocol=protocol, host_last=outside_last)  # fmt: skip
        return [chosen]
    if outside_last - outside != inside_last - inside:
        raise InvalidArgument(f"publishing {spec!r}: the ranges differ in length", hint=_FORM)
    return [
        PortMapping(container_port=inside + n, host_ip=host_ip, host_port=outside + n,
                    protocol=protocol)
        for n in range(inside_last - inside + 1)
    ]  # fmt: skip


_FORM = "the form is [[IP:][HOST]:]CONTAINER[/tcp|udp|sctp], with ranges as 8000-8010"


def _range(text: str, spec: str, allow_zero: bool = False) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if dash and last.lstrip("-")[:1].isalpha():
        raise InvalidArgument(
            f"publishing {spec!r}: {text!r} is not a range",
            hint=f"is a space missing before -{last}?",
        )
    low = _number(first, spec, allow_zero)
    high = _number(last, spec, False) if dash else low
    if high < low or (dash and not low):
        raise InvalidArgument(f"publishing {spec!r}: {text!r} is not a range", hint=_FORM)
    return low, high


def _number(text: str, spec: str, allow_zero: bool) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 5:
        number = int(text)
        if (0 if allow_zero else 1) <= number <= 65535:
            return number
    raise InvalidArgument(f"publishing {spec!r}: {text!r} is not a port", hint=_FORM)


def reserve(
    ports: Iterable[PortMapping], paths: Paths | None = None
) -> tuple[list[int], list[PortMapping]]:
    """Take the host's side of `ports`: close-on-exec descriptors that hold it while open, and the
    ports with the numbers that were chosen.

    paths: of the store whose containers an error names.
    All or none: raises Conflict (naming the port), InvalidArgument (an address that is not the
    host's) or CrunpyError.
    """
    held: list[int] = []
    chosen: list[PortMapping] = []
    wanted = [*ports]
    if len(wanted) > _MANY:
        _allow_descriptors()
    try:
        for port in wanted:
            fd, number = _reserve(port, paths)
            held.append(fd)
            chosen.append(replaced(port, host_port=number, host_last=0))
    except BaseException:
        for fd in held:
            os.close(fd)
        raise
    return held, chosen


_MANY = 100


def _allow_descriptors() -> None:
    """As many as the hard limit allows, for this process and the monitor that inherits them; a
    container's own limit is in its config.json."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _reserve(port: PortMapping, paths: Paths | None) -> tuple[int, int]:
    """(descriptor, number) of the first free port of the range."""
    last = max(port.host_last, port.host_port)
    for number in range(port.host_port, last + 1):
        try:
            return _bind(port.host_ip, number, port.protocol)
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                raise _refused(port, e) from e
    wanted = f"{port.host_port}-{last}" if last > port.host_port else str(port.host_port)
    where = f" on {port.host_ip}" if port.host_ip else ""
    who = ""
    if paths and last <= port.host_port:
        from crun_py.net import port_owner

        who = port_owner.owner(paths, port, port.host_port)
    raise Conflict(
        f"publishing port {wanted}{where}: port {wanted}/{port.protocol} is already in use"
        + (f" by {who}" if who else ""),
        hint="`ss -lntup` and `crunpy ps` tell by whom; -p with another host port avoids it",
        errno=errno.EADDRINUSE,
    )


def _refused(port: PortMapping, error: OSError) -> CrunpyError:
    doing = f"publishing port {described(port)}"
    if error.errno == errno.EADDRNOTAVAIL:
        return InvalidArgument(
            f"{doing}: {port.host_ip} is not an address of this host", errno=error.errno
        )
    hint = ""
    if error.errno == errno.EACCES:
        hint = "ports below net.ipv4.ip_unprivileged_port_start are root's: take a higher one"
    return CrunpyError.from_os(doing, error, hint=hint)


_BACKLOG = 1024


def _bind(host_ip: str, number: int, protocol: str) -> tuple[int, int]:
    """(descriptor, port) of a socket that holds the port."""
    kind = _socket.SOCK_DGRAM if protocol == "udp" else _socket.SOCK_STREAM
    try:
        family = _socket.AF_INET6 if ":" in host_ip else _socket.AF_INET
        sock = _socket.socket(family, kind | _socket.SOCK_CLOEXEC, PROTOCOLS[protocol])
    except OSError as e:
        if e.errno != errno.EPROTONOSUPPORT:
            raise
        # No SCTP in this kernel, so no program of the host can have the port, only another
        # container: those meet at an abstract name, which belongs to the network namespace.
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
        number = number or 32768 + int.from_bytes(os.urandom(2), "big") % 28000
        name: str | tuple[str, int] = f"\0crunpy-{protocol}-{host_ip}-{number}"
    else:
        if protocol == "udp":
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, 0)  # nobody will read
        if ":" in host_ip:  # the same port of IPv4 may be another one's
            sock.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        name = (host_ip or "0.0.0.0", number)
    try:
        _bind_exclusively(sock, name)
        if ":" in host_ip and protocol == "tcp":
            _listen(sock)
        number = number or sock.getsockname()[1]
    except BaseException:
        sock.close()
        raise
    return sock.detach(), number


def _listen(sock: _socket.socket) -> None:
    # what is accepted has this too: who binds the port next is not hindered by its TIME_WAIT
    sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    sock.listen(_BACKLOG)


def _bind_exclusively(sock: _socket.socket, name: str | tuple[str, int]) -> None:
    """Bind so that nobody else can, while connections in TIME_WAIT do not hinder.

    Without SO_REUSEADDR the latter would, for a minute; with it others could bind, too,
    unless one listens (tcp(7), inet_csk_bind_conflict in the kernel).
    """
    try:
        sock.bind(name)
    except OSError as e:
        if e.errno != errno.EADDRINUSE or sock.type != _socket.SOCK_STREAM:
            raise
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        sock.bind(name)
        sock.listen(1)
