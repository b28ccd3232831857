"""HTTP/1.1 on asyncio's streams.  h11 reads and writes the protocol and leaves the connection to
us, so that a request can take it over (Docker's attach and exec).  RFC 9112.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from crun_py.errors import CrunpyError, InvalidArgument

HEAD_BYTES = 32 << 10
"""Of a request's first line and header fields."""
JSON_BYTES = 4 << 20
"""Of a body that is JSON."""
PATIENCE_S = 60
"""For the next part of a request, and for a client to read."""
_PIECE = 32 << 10
_LINGER_S, _LINGER_BYTES = 1, 16 << 20
"""How long, and how much, a client that was refused may go on sending: closing at once would
take the answer away from it."""
_WAITING_BYTES = 256 << 10
"""Unsent, before a slow client is waited for."""

Handler = Callable[["Exchange"], Awaitable[None]]


class HttpError(CrunpyError):
    """A refusal with a status of its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Disconnected(Exception):
    """The client is gone, or does not read."""


class Exchange:
    """A request, and the way to answer it.

    method, path (unquoted; without `version` once that is known), query (the last value of each
    name), headers (names in small letters), version (of the API, 0, 0 for the newest), verified
    (the client has shown a certificate), further (fields of the answer).
    """

    def __init__(self, connection: Connection, request: h11.Request) -> None:
        self._connection = connection
        self.method = request.method.decode("ascii")
        parts = urlsplit(request.target.decode("ascii"))
        self.path = unquote(parts.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True, errors="strict"))
        self.queries = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
        self.headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in request.headers}
        self.target = request.target
        self.version = (0, 0)
        self.verified = connection.verified
        self.further: list[tuple[str, str]] = []
        self._has_body = bool({"content-length", "transfer-encoding"} & {*self.headers})
        self.answered = False
        self._reading = asyncio.Lock()

    def before(self, major: int, minor: int) -> bool:
        """Whether the client speaks an older version of the API than this one."""
        return (0, 0) < self.version < (major, minor)

    def flag(self, name: str, otherwise: bool = False) -> bool:
        """A truth in the query, as Go's clients write it."""
        value = self.query.get(name)
        if value is None:
            return otherwise
        return value.strip().lower() not in ("", "0", "no", "false", "none")

    def number(self, name: str) -> int | None:
        """A number in the query.  Raises InvalidArgument."""
        value = self.query.get(name)
        if value is None or value == "":
            return None
        try:
            return int(value)
        except ValueError:
            raise InvalidArgument(f"{name} {value!r}: not a number") from None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as it comes."""
        async with self._reading:  # whoever answers meanwhile waits for its end
            async for piece in self._connection.body():
                yield piece

    async def content(self) -> bytes:
        """The whole body.  Raises HttpError."""
        data = bytearray()
        async for piece in self.pieces():
            data += piece
            if len(data) > JSON_BYTES:
                raise HttpError(413, "the body is too large")
        return bytes(data)

    async def document(self) -> dict[str, object]:
        """The body, a JSON object; {} for none and for null.  Raises HttpError."""
        data = await self.content()
        if not data.strip():
            return {}
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise HttpError(400, "the body is not valid JSON") from None
        if not isinstance(found, dict | None):
            raise HttpError(400, "the body is not a JSON object")
        return found or {}

    async def answer(self, status: int, value: object = None) -> None:
        """Answer with a JSON document, or with nothing for None."""
        if value is None:
            await self.data(status, b"", "")
        else:
            text = json.dumps(value, ensure_ascii=False) + "\n"
            await self.data(status, text.encode(errors="replace"), "application/json")

    async def data(self, status: int, content: bytes, kind: str, *fields: tuple[str, str]) -> None:
        """Answer with `content`, of the media type `kind`."""
        if status < 400 or not self._has_body:
            await self._drop_body()
        head = [*self._connection.last_words(), *fields, ("Content-Length", str(len(content)))]
        if kind:
            head.append(("Content-Type", kind))
        if status in (204, 304):
            head = [*self._connection.last_words(), *fields]
        await self._begin(status, head)
        if content and self.method != "HEAD" and status not in (204, 304):
            await self._connection.send(h11.Data(data=content))
        await self._connection.send(h11.EndOfMessage())
        await self._connection.linger()

    async def begin(self, kind: str, *fields: tuple[str, str], status: int = 200) -> None:
        """Begin an answer in pieces, to be sent by `piece` and `end`."""
        await self._drop_body()
        await self._begin(status, [("Content-Type", kind), *fields])

    async def _begin(self, status: int, fields: list[tuple[str, str]]) -> None:
        self.answered = True
        await self._connection.send(
            h11.Response(
                status_code=status,
                headers=[*self._connection.fields, *self.further, *fields],
                reason=HTTPStatus(status).phrase.encode(),
            )
        )

    async def piece(self, content: bytes) -> None:
        """Send a piece of the answer; waits while the client does not read."""
        if content:
            await self._connection.send(h11.Data(data=content))

    async def lines(self, value: object) -> None:
        """Send a JSON document as a line of the answer."""
        await self.piece(json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\r\n")

    async def end(self) -> None:
        """The answer is complete."""
        await self._connection.send(h11.EndOfMessage())

    async def take_over(self, kind: str) -> tuple[asyncio.StreamReader, Writer]:
        """The connection itself, after an answer that says so: 101 where the client asked for an
        upgrade, 200 otherwise."""
        await self._drop_body()
        self.answered = True
        return await self._connection.take_over(
            kind, upgrade="tcp" in self.headers.get("upgrade", "").lower()
        )

    async def take_raw(self, answer: bytes) -> tuple[asyncio.StreamReader, Writer]:
        """The connection itself, after an `answer` that another protocol begins with."""
        self.answered = True
        return await self._connection.take_raw(answer)

    async def gone(self) -> None:
        """Until the client has closed the connection."""
        await self._connection.gone()

    async def _drop_body(self) -> None:
        async for _ in self.pieces():
            pass


class Writer:
    """Writes to a client that may not read."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def hung_up(self) -> bool:
        """Whether the client has closed both directions (poll(2)); the end of what it sends alone
        is none of that."""
        poll = select.poll()
        poll.register(self._writer.get_extra_info("socket").fileno(), 0)
        return bool(poll.poll(0))

    async def write(self, data: bytes) -> None:
        """Raises Disconnected."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (ConnectionError, OSError) as e:
            raise Disconnected from e


class Connection:
    """One client.  handle: answers a request.  fields: of each answer.  verified: it has shown a
    certificate."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handle: Handler,
        fields: list[tuple[str, str]],
        *,
        verified: bool = False,
    ) -> None:
        self._reader, self._writer, self._handle = reader, writer, handle
        self.fields = fields
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        self._taken = False
        self.verified = verified
        writer.transport.set_write_buffer_limits(high=_WAITING_BYTES)

    async def serve(self) -> None:
        """Answer requests until the client is gone."""
        with contextlib.suppress(Disconnected, ConnectionError, TimeoutError):
            while await self._serve_one():
                self._http.start_next_cycle()
        self._writer.close()

    async def _serve_one(self) -> bool:
        """Whether another request may come on this connection."""
        try:
            event = await self._next()
        except h11.RemoteProtocolError as e:
            await self._refuse(e.error_status_hint or 400, str(e))
            return False
        if not isinstance(event, h11.Request):
            return False
        try:
            exchange = Exchange(self, event)
        except (ValueError, UnicodeError):
            await self._refuse(400, "the address is malformed")
            return False
        if sum(name in ("content-length", "transfer-encoding") for name in exchange.headers) > 1:
            await self._refuse(400, "the body has two lengths")
            return False
        await self._handle(exchange)
        return not self._taken and self._http.our_state is h11.DONE is self._http.their_state

    async def _refuse(self, status: int, message: str) -> None:
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        text = json.dumps({"message": message}).encode()
        fields = [
            *self.fields, ("Content-Type", "application/json"),
            ("Content-Length", str(len(text))), ("Connection", "close"),
        ]  # fmt: skip
        await self.send(h11.Response(status_code=status, headers=fields))
        await self.send(h11.Data(data=text))
        await self.send(h11.EndOfMessage())

    def last_words(self) -> list[tuple[str, str]]:
        """What an answer says when the request's body was not read to its end."""
        return [("Connection", "close")] if self._is_sending() else []

    def _is_sending(self) -> bool:
        """Whether the client has not said all of its request, or said what is none."""
        return self._http.their_state in (h11.SEND_BODY, h11.ERROR)

    async def linger(self) -> None:
        """Let a client that still sends read our answer."""
        if not self._is_sending():
            return
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_LINGER_S):
                left = _LINGER_BYTES
                while left > 0 and (data := await self._reader.read(_PIECE)):
                    left -= len(data)

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if not isinstance(event, type) or event is h11.PAUSED:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            data = await asyncio.wait_for(self._reader.read(_PIECE), PATIENCE_S)
            self._http.receive_data(data)

    async def body(self) -> AsyncIterator[bytes]:
        """The rest of the request's body."""
        while self._http.their_state is h11.SEND_BODY:
            try:
                event = await self._next()
            except h11.RemoteProtocolError as e:
                raise HttpError(e.error_status_hint or 400, str(e)) from None
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif not isinstance(event, h11.EndOfMessage):
                raise Disconnected

    async def send(self, event: h11.Event) -> None:
        """Raises Disconnected."""
        try:
            data = self._http.send(event)
        except h11.LocalProtocolError as e:
            raise Disconnected from e
        if data:
            try:
                self._writer.write(data)
                await asyncio.wait_for(self._writer.drain(), PATIENCE_S)
            except (OSError, TimeoutError) as e:
                self._writer.transport.abort()
                raise Disconnected from e

    async def take_over(self, kind: str, *, upgrade: bool) -> tuple[asyncio.StreamReader, Writer]:
        head = "HTTP/1.1 101 UPGRADED\r\n" if upgrade else "HTTP/1.1 200 OK\r\n"
        fields = [*self.fields, ("Content-Type", kind)]
        if upgrade:
            fields += [("Connection", "Upgrade"), ("Upgrade", "tcp")]
        text = head + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
        return await self.take_raw(text.encode("latin-1"))

    async def take_raw(self, answer: bytes) -> tuple[asyncio.StreamReader, Writer]:
        self._taken = True
        writer = Writer(self._writer)
        await writer.write(answer)
        reader = _After(self._http.trailing_data[0], self._reader)
        return reader, writer

    async def gone(self) -> None:
        while True:
            data = await self._reader.read(_PIECE)
            if not data:
                return
            self._http.receive_data(data)


class _After(asyncio.StreamReader):
    """What has been read already, then the rest."""

    def __init__(self, first: bytes, rest: asyncio.StreamReader) -> None:
        super().__init__()
        self._first, self._rest = first, rest

    async def read(self, n: int = -1) -> bytes:
        if self._first:
            data, self._first = self._first, b""
            return data
        return await self._rest.read(n)
