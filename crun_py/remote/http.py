"""HTTP/1.1 to a service, one request after the other.  h11 reads and writes the protocol and leaves
the connection to us, so that a request can take it over (Docker's attach and exec).  RFC 9112.
"""

from __future__ import annotations

import select
import socket

import h11

from crun_py.errors import CrunpyError
from crun_py.remote.endpoint import described
from crun_py.remote.link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Body = bytes | Iterable[bytes]

_PIECE = 64 << 10
_HEAD_BYTES = 1 << 20
_QUOTED = 200
"""Of what is no HTTP, in messages."""


class Broken(CrunpyError):
    """A connection ended, or what came is no HTTP."""


class Channel:
    """A connection that takes requests.  status, headers: of the last answer."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES)
        self.status = 0
        self.headers: dict[str, str] = {}
        self._answered = self._ended = False

    def close(self) -> None:
        """End it."""
        self.link.close()

    def is_idle(self) -> bool:
        """Whether it can take another request; the other end may have closed it meanwhile."""
        if self._http.our_state is h11.IDLE and self._http.their_state is h11.IDLE:
            poll = select.poll()
            poll.register(self.link.socket, select.POLLIN)
            return not poll.poll(0)
        return False

    def ask(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Body = b"",
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Send a request and read the answer's head; afterwards `pieces` is its body.

        body: of several pieces it is sent as they come.  timeout_s: for the head.  Raises Broken.
        """
        fields = [("Host", "crunpy"), *headers.items()]
        if isinstance(body, bytes):
            fields.append(("Content-Length", str(len(body))))
            pieces: Iterable[bytes] = [body] if body else []
        else:
            fields.append(("Transfer-Encoding", "chunked"))
            pieces = body
        try:
            self._send(h11.Request(method=method, target=target, headers=fields))
            for piece in pieces:
                if piece:
                    self._send(h11.Data(data=piece))
            self._send(h11.EndOfMessage())
        except (BrokenPipeError, ConnectionResetError):
            pass  # an answer that came before all was sent says why
        self._read_head(timeout_s)

    def _send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        if data := self._http.send(event):
            self.link.socket.sendall(data)

    def _read_head(self, timeout_s: float | None) -> None:
        self.link.socket.settimeout(timeout_s)
        self._answered = False
        try:
            event = self._next()
            while isinstance(event, h11.InformationalResponse) and event.status_code != 101:
                event = self._next()
        except TimeoutError as e:
            raise self._broken(f"no answer in {timeout_s:g} s") from e
        finally:
            self.link.socket.settimeout(None)
        if not isinstance(event, h11.Response | h11.InformationalResponse):
            raise self._broken("it ended without an answer")
        self._answered = True
        self.status = event.status_code
        self.headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in event.headers}

    def _next(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                try:
                    data = self.link.socket.recv(_PIECE)
                except ConnectionResetError:
                    data = b""
                self._ended = not data
                self._http.receive_data(data)
            return event
        except h11.RemoteProtocolError as e:
            if not self._ended:
                raise self._broken(f"no HTTP: {str(e)[:_QUOTED]}") from e
            where = "in the middle of an answer" if self._answered else "without an answer"
            raise self._broken(f"it ended {where}") from e

    def pieces(self) -> Iterator[bytes]:
        """The body of the answer as it comes; then the connection can take another request.

        Raises Broken when it ends in the middle."""
        while True:
            event = self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._again()
                return
            else:
                raise self._broken("it ended in the middle of an answer")

    def _again(self) -> None:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    def taken_over(self) -> tuple[socket.socket, bytes]:
        """The connection, which is no HTTP any more, and what has come of it already."""
        return self.link.socket, self._http.trailing_data[0]

    def _broken(self, why: str) -> Broken:
        reason, place = self.link.why(), self.link.endpoint
        bare = place.kind == "tcp" and not place.tls and not self._answered
        hint = "a service with TLS? --tlsverify, DOCKER_TLS_VERIFY" if bare else ""
        return Broken(f"asking {described(place)}: {reason or why}", hint=hint)
