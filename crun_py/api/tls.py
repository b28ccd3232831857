"""TLS for connections that a client may end in one direction alone, as docker's command line does
when its input ends (RFC 8446, section 6.1): asyncio's own closes both.  The bytes go through a
socket pair to whoever serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

_PIECE = 64 << 10
_HANDSHAKE_S = 20


class Wrapped:
    """A TLS connection of a client, and the plain one behind it.

    reader, writer: the plain one; verified: the client has shown a certificate.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._tasks: list[asyncio.Task[None]] = []
        self.verified = False

    async def __aenter__(self) -> Wrapped:
        """Raises ssl.SSLError, ConnectionError, TimeoutError where there is no agreement."""
        try:
            async with asyncio.timeout(_HANDSHAKE_S):
                await self._agree()
        except BaseException:
            self._writer.transport.abort()
            raise
        self.verified = bool(self._tls.getpeercert())
        ours, theirs = socket.socketpair()
        self.reader, self.writer = await asyncio.open_connection(sock=theirs)
        plain = await asyncio.open_connection(sock=ours)
        self._tasks = [
            asyncio.ensure_future(self._decrypt(plain[1])),
            asyncio.ensure_future(self._encrypt(*plain)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(TimeoutError):  # what is left goes out
            await asyncio.wait_for(self._tasks[1], _HANDSHAKE_S)
        self._tasks[0].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writer.close()

    async def _agree(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._receive():
                    raise ConnectionResetError from None
            except ssl.SSLError:
                await self._flush()  # the alert
                raise
            else:
                await self._flush()
                return

    async def _receive(self) -> bool:
        """Whether more came from the client."""
        data = await self._reader.read(_PIECE)
        self._in.write(data)
        return bool(data)

    async def _flush(self) -> None:
        if data := self._out.read():
            self._writer.write(data)
        await self._writer.drain()

    async def _decrypt(self, plain: asyncio.StreamWriter) -> None:
        """What the client sends, until it ends its direction."""
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            while True:
                try:
                    data = self._tls.read(_PIECE)
                except ssl.SSLWantReadError:
                    await self._flush()
                    if not await self._receive():
                        plain.close()  # both directions: nobody is there
                        return
                    continue
                if not data:
                    break
                plain.write(data)
                await plain.drain()
        with contextlib.suppress(OSError):
            plain.write_eof()
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(_PIECE):  # alerts alone may follow
                pass
            plain.close()

    async def _encrypt(self, plain: asyncio.StreamReader, end: asyncio.StreamWriter) -> None:
        """What is sent to the client, to its end."""
        try:
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                while data := await plain.read(_PIECE):
                    self._tls.write(data)
                    await self._flush()
                with contextlib.suppress(ssl.SSLError):
                    self._tls.unwrap()
                await self._flush()
                self._writer.write_eof()
        finally:
            end.close()
