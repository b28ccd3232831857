"""Connections to a service, each as one socket: a Unix or TCP one, or the near end of a pair whose
far end is TLS (in a thread) or ssh (a process).  So whoever holds it can end one direction alone.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import socket
import ssl
import subprocess
import tempfile
import threading

from crun_py.errors import CrunpyError, InvalidArgument, NotFound
from crun_py.remote.endpoint import Endpoint, Tls, described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

CONNECT_S = 30
"""How long a connection may take, TLS included, and the first answer of a service."""
_PIECE = 64 << 10
_WAITING_BYTES = 256 << 10
"""Not yet passed on, before no more is taken."""


class Link:
    """A connection.  socket: to be read and written."""

    def __init__(self, sock: socket.socket, endpoint: Endpoint) -> None:
        self.socket = sock
        self.endpoint = endpoint

    def close(self) -> None:
        """End both directions."""
        self.socket.close()

    def why(self) -> str:
        """What is known of its early end, "" for nothing."""
        return ""


def connect(endpoint: Endpoint, timeout_s: float = CONNECT_S) -> Link:
    """A new connection.  Raises CrunpyError."""
    if endpoint.kind == "ssh":
        return _Ssh(endpoint, timeout_s)
    sock = _connected(endpoint, timeout_s)
    if endpoint.tls:
        return _Tls(sock, endpoint, endpoint.tls)
    sock.settimeout(None)
    return Link(sock, endpoint)


def _connected(endpoint: Endpoint, timeout_s: float) -> socket.socket:
    try:
        if endpoint.kind == "tcp":
            place = (endpoint.host, endpoint.port)
            sock = socket.create_connection(place, timeout=timeout_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(timeout_s)
            sock.connect(endpoint.path)
        except BaseException:
            sock.close()
            raise
        return sock
    except TimeoutError as e:
        raise _cannot(endpoint, f"no answer in {timeout_s:g} s") from e
    except socket.gaierror as e:
        raise _cannot(endpoint, f"{endpoint.host}: {(e.strerror or 'not found').lower()}") from e
    except PermissionError as e:
        hint = f"the socket {endpoint.path} is another user's" if endpoint.path else ""
        raise _cannot(endpoint, "permission denied", hint) from e
    except OSError as e:
        raise _cannot(endpoint, os.strerror(e.errno or 0).lower()) from e


def _cannot(endpoint: Endpoint, why: str, hint: str = "") -> CrunpyError:
    usual = "is a service running there? crunpy system service; an empty DOCKER_HOST means here"
    return CrunpyError(f"connecting to {described(endpoint)}: {why}", hint=hint or usual)


# ---- TLS ----


class _Tls(Link):
    """The bytes go through a pair of sockets to a thread that speaks TLS (as api/tls.py): Python's
    own sockets cannot end one direction alone, as the end of input does (RFC 8446, 6.1)."""

    def __init__(self, sock: socket.socket, endpoint: Endpoint, tls: Tls) -> None:
        try:
            self._tls, self._in, self._out = _agreed(sock, endpoint, tls)
        except BaseException:
            sock.close()
            raise
        ours, theirs = socket.socketpair()
        super().__init__(ours, endpoint)
        self._reason = ""
        self._net, self._plain = sock, theirs
        threading.Thread(target=self._pass_on, daemon=True).start()

    def why(self) -> str:
        return self._reason

    def _pass_on(self) -> None:
        with self._net, self._plain:
            self._net.setblocking(False)
            self._plain.setblocking(False)
            try:
                self._loop()
            except ssl.SSLError as e:
                self._reason = _tls_words(e)
            except OSError:
                return  # one of them is gone, which the other one is told by this end

    def _loop(self) -> None:
        to_net, to_plain = bytearray(self._out.read()), bytearray()
        typing = reading = True
        while True:
            to_plain += self._decrypted() if reading else b""
            to_net += self._out.read()
            if self._closed and reading:
                reading = False
                if not to_plain:
                    self._plain.shutdown(socket.SHUT_WR)
            if not reading and not to_plain:
                return
            poll = select.poll()
            wanted = {
                self._net: select.POLLIN * (len(to_plain) < _WAITING_BYTES and reading)
                | select.POLLOUT * bool(to_net),
                self._plain: select.POLLIN * (typing and len(to_net) < _WAITING_BYTES)
                | select.POLLOUT * bool(to_plain),
            }
            for sock, events in wanted.items():
                if events:
                    poll.register(sock, events)
            for fd, event in poll.poll():
                if fd == self._net.fileno():
                    if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                        self._receive()
                    if event & select.POLLOUT and to_net:
                        del to_net[: self._net.send(to_net)]
                elif event & select.POLLOUT and to_plain:
                    del to_plain[: self._plain.send(to_plain)]
                elif typing and event & (select.POLLIN | select.POLLHUP):
                    data = self._plain.recv(_PIECE)
                    if data:
                        self._tls.write(data)
                    else:
                        typing = False
                        with contextlib.suppress(ssl.SSLError):
                            self._tls.unwrap()
                    to_net += self._out.read()
                elif event & (select.POLLERR | select.POLLHUP):
                    return

    _closed = False

    def _receive(self) -> None:
        data = self._net.recv(_PIECE)
        if data:
            self._in.write(data)
        else:
            self._closed = True

    def _decrypted(self) -> bytes:
        found = bytearray()
        while len(found) < _WAITING_BYTES:
            try:
                data = self._tls.read(_PIECE)
            except ssl.SSLWantReadError:
                break
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                data = b""
            if not data:
                self._closed = True
                break
            found += data
        return bytes(found)


def _agreed(
    sock: socket.socket, endpoint: Endpoint, tls: Tls
) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    made = context_of(tls).wrap_bio(incoming, outgoing, server_hostname=endpoint.host)
    try:
        while True:
            try:
                made.do_handshake()
                sock.sendall(outgoing.read())
                return made, incoming, outgoing
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                data = sock.recv(_PIECE)
                if not data:
                    raise _cannot(
                        endpoint, "it ended the connection in the midst of the TLS handshake",
                        "a service without TLS? without --tlsverify",
                    ) from None  # fmt: skip
                incoming.write(data)
    except ssl.SSLError as e:
        raise _cannot(endpoint, _tls_words(e), _tls_hint(e)) from e
    except TimeoutError as e:
        raise _cannot(endpoint, "no answer to the TLS handshake") from e
    except OSError as e:
        raise _cannot(endpoint, os.strerror(e.errno or 0).lower()) from e


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    words = (error.reason or "TLS failed").lower().replace("_", " ")
    return f"TLS: {words}"


def _tls_hint(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "--tlscacert names who signed it, DOCKER_CERT_PATH a directory with ca.pem"
    if error.reason == "WRONG_VERSION_NUMBER":
        return "a service without TLS? without --tlsverify and DOCKER_TLS_VERIFY"
    return ""


def context_of(tls: Tls) -> ssl.SSLContext:
    """Raises InvalidArgument for files that are none of TLS."""
    made = ssl.create_default_context()
    try:
        if tls.ca:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            made.load_verify_locations(tls.ca)
        if tls.certificate or tls.key:
            made.load_cert_chain(tls.certificate, tls.key or None)
    except (OSError, ssl.SSLError) as e:
        named = ", ".join(path for path in (tls.ca, tls.certificate, tls.key) if path)
        why = os.strerror(e.errno).lower() if e.errno and e.errno > 0 else str(e)
        raise InvalidArgument(f"TLS with {named}: {why}") from e
    if not tls.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


# ---- ssh ----


class _Ssh(Link):
    """ssh(1) and, on the other machine, `system dial-stdio` of whichever engine is there, as
    docker's command line does.  Names, keys and jumps are ssh's own settings; passwords are not
    asked for: ssh has no terminal, so that what is typed there goes to the container."""

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        ours, theirs = socket.socketpair()
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # of the object's life
        try:
            self._process = subprocess.Popen(
                _ssh_command(endpoint, timeout_s),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,
            )
        except FileNotFoundError:
            ours.close()
            raise NotFound(
                f"connecting to {described(endpoint)}: the program ssh is missing",
                hint="install openssh-client",
            ) from None
        finally:
            theirs.close()
        super().__init__(ours, endpoint)

    def close(self) -> None:
        super().close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        self._said.close()

    def why(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._said.seek(0)
        lines = self._said.read(_PIECE).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


_ENGINES = ("crunpy", "docker", "podman")


def _ssh_command(endpoint: Endpoint, timeout_s: float) -> list[str]:
    command = ["ssh", "-T", "-o", f"ConnectTimeout={int(timeout_s)}"]
    if endpoint.user:
        command += ["-l", endpoint.user]
    if endpoint.port:
        command += ["-p", str(endpoint.port)]
    if endpoint.identity:
        command += ["-i", endpoint.identity]
    return [*command, "--", endpoint.host, f"sh -c {shlex.quote(_dial(endpoint.path))}"]


def _dial(path: str) -> str:
    """What a shell there runs: the first engine that is installed connects us."""
    lines = []
    for name in _ENGINES:
        option = "--url" if name == "podman" else "--host"
        where = f" {option} {shlex.quote('unix://' + path)}" if path else ""
        lines.append(f"command -v {name} >/dev/null && exec {name}{where} system dial-stdio")
    return "; ".join(
        [*lines, f"echo none of {', '.join(_ENGINES)} is installed there >&2; exit 127"]
    )
