"""Where the service listens: Unix sockets, TCP with and without TLS, sockets of systemd."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
import stat
from typing import TYPE_CHECKING

from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.record import record

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIRST_FD = 3


@record
class Tls:
    """Files for TCP with TLS (PEM).  verify: clients need a certificate that `ca` has signed."""

    certificate: str
    key: str
    ca: str = ""
    verify: bool = False


def context(tls: Tls) -> ssl.SSLContext:
    """What connections are wrapped with.  Raises CrunpyError naming the file that is no good."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in (tls.certificate, tls.key, *([tls.ca] if tls.verify else [])):
        try:
            with open(path, "rb"):
                pass
        except OSError as e:
            raise CrunpyError.from_os(f"reading {path}", e) from e
    try:
        made.load_cert_chain(tls.certificate, tls.key)
        if tls.verify:
            made.load_verify_locations(tls.ca)
            made.verify_mode = ssl.CERT_REQUIRED
    except ssl.SSLError as e:
        names = ", ".join((tls.certificate, tls.key, *([tls.ca] if tls.verify else [])))
        raise CrunpyError(f"reading {names}: no certificate, or not its key ({e.reason})") from e
    return made


def listening(
    places: Sequence[str], handed_over: int = 0, *, beyond: bool = False
) -> list[socket.socket]:
    """Sockets for unix://PATH, tcp://ADDRESS:PORT and fd:// (systemd's, of which there are
    `handed_over`, sd_listen_fds(3)).

    beyond: also on addresses that others than this machine reach.
    Raises InvalidArgument, CrunpyError; a socket's file has mode 0600.
    """
    found: list[socket.socket] = []
    for place in places:
        kind, _, rest = place.partition("://")
        if kind == "unix" and rest.startswith("/"):
            found.append(_unix(rest))
        elif kind == "fd":
            if not handed_over:
                raise InvalidArgument("listening on fd://: nobody handed a socket over",
                                      hint="a systemd socket unit does")  # fmt: skip
            for fd in range(_FIRST_FD, _FIRST_FD + handed_over):
                found.append(socket.socket(fileno=fd))
                if found[-1].family != socket.AF_UNIX:
                    _check_reach(found[-1].getsockname()[0], place, beyond)
        elif kind == "tcp":
            found.append(_tcp(rest, beyond))
        else:
            raise InvalidArgument(
                f"listening on {place}: not known", hint="unix:///PATH, tcp://127.0.0.1:PORT, fd://"
            )
    return found


def _unix(path: str) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise InvalidArgument(f"listening on {path}: it is there, and no socket")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(path)
            except OSError:
                os.unlink(path)  # nobody listens any more
            else:
                raise CrunpyError(f"listening on {path}: another service does")
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    except OSError as e:
        raise CrunpyError.from_os(f"listening on {path}", e) from e
    sock = socket.socket(socket.AF_UNIX)
    old = os.umask(0o177)
    try:
        sock.bind(path)
        sock.listen(128)
    except OSError as e:
        sock.close()
        raise CrunpyError.from_os(f"listening on {path}", e) from e
    finally:
        os.umask(old)
    return sock


def _tcp(place: str, beyond: bool) -> socket.socket:
    address, _, port = place.rpartition(":")
    address = address.strip("[]") or "127.0.0.1"
    if not port.isdigit() or int(port) > 65535:
        raise InvalidArgument(f"listening on tcp://{place}: no port", hint="tcp://127.0.0.1:2375")
    try:
        (family, _, _, _, target), *_ = socket.getaddrinfo(
            address, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        _check_reach(str(target[0]), f"tcp://{place}", beyond)
        return socket.create_server((str(target[0]), int(port)), family=family)
    except socket.gaierror as e:
        raise InvalidArgument(f"listening on tcp://{place}: no such address") from e
    except OSError as e:
        raise CrunpyError.from_os(f"listening on tcp://{place}", e) from e


def _check_reach(address: str, place: str, beyond: bool) -> None:
    if not beyond and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        raise InvalidArgument(
            f"listening on {place}: everybody who reaches it would be root here",
            hint="--tlsverify, or tcp://127.0.0.1:PORT and ssh -L, or --insecure-tcp",
        )
