"""Attach by WebSocket (RFC 6455): wsproto speaks it on a connection that was taken over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Request,
    TextMessage,
)
from wsproto.utilities import RemoteProtocolError

from crun_py.api.http import Disconnected, Exchange, HttpError, Writer

if TYPE_CHECKING:
    from wsproto.events import Event

_PIECE = 32 << 10


class Reader(asyncio.StreamReader):
    """What a client sends in messages, as one stream."""

    def __init__(self, http: asyncio.StreamReader, writer: WebSocket, first: list[bytes]) -> None:
        super().__init__()
        self._http, self._socket, self._first = http, writer, first

    async def read(self, n: int = -1) -> bytes:
        """The next bytes.  Raises Disconnected when the client has closed."""
        while True:
            if self._first:
                return self._first.pop(0)
            data = await self._http.read(_PIECE)
            if not data:
                raise Disconnected
            self._first += [one for one in await self._socket.received(data) if one]


class WebSocket(Writer):
    """Sends what is written as binary messages."""

    def __init__(self, writer: Writer, connection: WSConnection) -> None:
        self._under, self._ws = writer, connection

    def hung_up(self) -> bool:
        return self._under.hung_up()

    async def write(self, data: bytes) -> None:
        """Raises Disconnected."""
        await self._send(BytesMessage(data=data))

    async def close(self) -> None:
        """Say that no more will come."""
        await self._send(CloseConnection(code=1000))

    async def _send(self, event: Event) -> None:
        try:
            await self._under.write(self._ws.send(event))
        except RemoteProtocolError as e:
            raise Disconnected from e

    async def received(self, data: bytes) -> list[bytes]:
        """What is in the messages of `data`.  Raises Disconnected when the client closes."""
        found: list[bytes] = []
        try:
            self._ws.receive_data(data)
            for event in self._ws.events():
                if isinstance(event, TextMessage):
                    found.append(event.data.encode())
                elif isinstance(event, BytesMessage):
                    found.append(bytes(event.data))
                elif isinstance(event, Ping):
                    await self._send(event.response())
                elif isinstance(event, CloseConnection):
                    await self._send(event.response())
                    raise Disconnected
        except RemoteProtocolError as e:
            raise Disconnected from e
        return found


async def opened(exchange: Exchange) -> tuple[asyncio.StreamReader, WebSocket]:
    """The connection as a WebSocket's.  Raises HttpError for a request that asks for none."""
    if "websocket" not in exchange.headers.get("upgrade", "").lower():
        raise HttpError(400, "not a WebSocket's handshake")
    connection = WSConnection(ConnectionType.SERVER)
    fields = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in exchange.headers.items()]
    try:
        connection.initiate_upgrade_connection(fields, exchange.target)
        if not any(isinstance(event, Request) for event in connection.events()):
            raise HttpError(400, "not a WebSocket's handshake")
        answer = connection.send(AcceptConnection())
    except RemoteProtocolError as e:
        raise HttpError(400, str(e)) from None
    reader, writer = await exchange.take_raw(answer)
    socket = WebSocket(writer, connection)
    return Reader(reader, socket, []), socket
