"""The service: connections, and its end when nobody wants it any more."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from typing import TYPE_CHECKING

from crun_py import __version__
from crun_py.api import (
    archives,
    build,
    containers,
    images,
    others,
    routes,
    streams,
    system,
    transfers,
)
from crun_py.api.http import Connection, Exchange
from crun_py.api.libpod import images as libpod_images
from crun_py.api.libpod import kube as libpod_kube
from crun_py.api.libpod import others as libpod_others
from crun_py.api.libpod import pods as libpod_pods
from crun_py.show.version import API_VERSION

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

    from crun_py.aio import Engine

_FIELDS = [
    ("Api-Version", API_VERSION), ("Docker-Experimental", "false"), ("Ostype", "linux"),
    ("Server", f"crunpy/{__version__} (linux)"),
]  # fmt: skip
_MOST = 1000
"""Connections at once."""
_BUFFER = 1 << 16


def table() -> routes.Routes:
    """All paths that are served."""
    made = routes.Routes()
    for part in (
        libpod_images, libpod_kube, libpod_others, libpod_pods, system, containers, streams,
        archives, transfers, build, images, others,
    ):  # fmt: skip
        part.register(made)
    return made


class Service:
    """Answers requests about the store of `engine`."""

    def __init__(self, engine: Engine, *, idle_s: float = 0, origins: Sequence[str] = ()) -> None:
        """idle_s: it ends when nobody has been connected for so long; 0: never.  origins: of web
        pages that may ask (* for all)."""
        self._engine, self._idle_s, self._origins = engine, idle_s, origins
        self._routes = table()
        self._connected: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None
        self._last = time.monotonic()

    async def run(
        self,
        sockets: Sequence[socket.socket],
        tls: ssl.SSLContext | None = None,
        *,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Serve on listening sockets, those of TCP with `tls`, until SIGTERM, SIGINT or the end of
        the idle time.  ready: is called when it does."""
        self._tls = tls
        servers = [
            await asyncio.start_unix_server(self._accept, sock=one, limit=_BUFFER)
            if one.family == socket.AF_UNIX
            else await asyncio.start_server(self._accept_tcp, sock=one, limit=_BUFFER)
            for one in sockets
        ]
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        ready()
        try:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), self._patience())
                idle = time.monotonic() - self._last
                if self._idle_s and not self._connected and idle >= self._idle_s:
                    return
        finally:
            for server in servers:
                server.close()
            for task in self._connected:
                task.cancel()
            await asyncio.gather(*self._connected, return_exceptions=True)

    def _patience(self) -> float | None:
        return max(0.05, self._last + self._idle_s - time.monotonic()) if self._idle_s else None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._counted(writer) as more:
            if more:
                await self._connection(reader, writer)

    async def _accept_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._tls:
            await self._accept(reader, writer)
            return
        from ssl import SSLError

        from crun_py.api import tls

        with (
            self._counted(writer) as more,
            contextlib.suppress(SSLError, ConnectionError, TimeoutError),
        ):
            if not more:
                return
            async with tls.Wrapped(reader, writer, self._tls) as plain:
                await self._connection(plain.reader, plain.writer, verified=plain.verified)

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, verified: bool = False
    ) -> None:
        try:
            await Connection(reader, writer, self._handle, _FIELDS, verified=verified).serve()
        except asyncio.CancelledError:
            writer.transport.abort()

    @contextlib.contextmanager
    def _counted(self, writer: asyncio.StreamWriter) -> Iterator[bool]:
        """A connection counts inside; False for one too many."""
        if len(self._connected) >= _MOST:
            writer.transport.abort()
            yield False
            return
        task = asyncio.current_task()
        assert task
        self._connected.add(task)
        try:
            yield True
        finally:
            self._connected.discard(task)
            self._last = time.monotonic()

    async def _handle(self, exchange: Exchange) -> None:
        origin = exchange.headers.get("origin", "")
        known = bool(origin) and (origin in self._origins or "*" in self._origins)
        if known:
            exchange.further.append(("Access-Control-Allow-Origin", origin))
        if exchange.method == "OPTIONS" and known:
            await exchange.data(200, b"", "", *_PREFLIGHT)
        elif foreign := _foreign(exchange, known):
            await exchange.answer(403, {"message": foreign})
        else:
            await routes.answer(self._routes, self._engine, exchange)


_PREFLIGHT = (
    ("Access-Control-Allow-Methods", "HEAD, GET, POST, DELETE, PUT, OPTIONS"),
    ("Access-Control-Allow-Headers", "Content-Type, X-Registry-Auth, X-Registry-Config"),
)


def _foreign(exchange: Exchange, known: bool) -> str:
    """Why a request is none of a program that may ask: a web page has made it (known: of one that
    may), or a name leads here that is not ours."""
    if "origin" in exchange.headers and not known:
        return "requests of web pages are refused (Origin)"
    host = exchange.headers.get("host", "").rpartition(":")
    name = (host[0] or host[2]).strip("[]").lower()
    ours = ("", "localhost", "docker", "d", "crunpy", "api.moby.localhost", "127.0.0.1", "::1",
            socket.gethostname().lower())  # fmt: skip
    numeric = name.replace(".", "").isdigit() or ":" in name
    if name in ours or numeric or "/" in name or "%2f" in name or exchange.verified:
        return ""
    return f"host {name!r} is not this one (a page of another site may have made the request)"
