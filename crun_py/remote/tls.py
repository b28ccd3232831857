"""TLS to a service."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading

from crun_py.errors import InvalidArgument
from crun_py.remote.endpoint import Endpoint, Tls
from crun_py.remote.link import Link, cannot

_PIECE = 64 << 10
_WAITING_BYTES = 256 << 10
"""Not yet passed on, before no more is taken."""


class TlsLink(Link):
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
                    raise cannot(
                        endpoint, "it ended the connection in the midst of the TLS handshake",
                        "a service without TLS? without --tlsverify",
                    ) from None  # fmt: skip
                incoming.write(data)
    except ssl.SSLError as e:
        raise cannot(endpoint, _tls_words(e), _tls_hint(e)) from e
    except TimeoutError as e:
        raise cannot(endpoint, "no answer to the TLS handshake") from e
    except OSError as e:
        raise cannot(endpoint, os.strerror(e.errno or 0).lower()) from e


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
