"""Call the engine in its worker from asyncio, without threads: `AsyncWorker`."""

from __future__ import annotations

import asyncio
import contextlib
import weakref

from crun_py.worker.exchange import Exchange
from crun_py.worker.spawn import END_S, Keeper, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.worker.wire import Message

_TURN = 64
"""After how many system calls others get their turn, although there is more to read."""
_AGAIN_S = 0.005
"""How soon to ask again a worker that has hundreds of requests waiting."""


class AsyncStream:
    """The items of a call, as they come.  Closing it, or forgetting it, interrupts the call."""

    def __init__(self, worker: AsyncWorker, exchange: Exchange) -> None:
        self._worker = worker  # lives as long
        self._exchange = exchange
        self._begun = self._over = False

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> object:
        """Raises the CrunpyError that the call raised."""
        if self._over:
            raise StopAsyncIteration
        try:
            if not self._begun:
                self._begun = True
                await self._worker._begin(self._exchange)
            message = await _answer(self._exchange)
            if message.kind == "result":
                raise self._exchange.not_one()
        except BaseException:
            await self.aclose()
            raise
        if message.kind == "end":
            await self.aclose()
            raise StopAsyncIteration
        return message.value

    async def aclose(self) -> None:
        self._over = True
        self._exchange.end()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._exchange.end()


class AsyncWorker:
    """As channel.Worker, for tasks: cancelling a task interrupts what it called.

    It belongs to no loop; one after another may use it.
    """

    def __init__(
        self,
        root: str | None = None,
        run: str | None = None,
        *,
        package: str = "crun_py.engine",
        preload: tuple[str, ...] = (),
        on_warning: Callable[[str], object] | None = None,
    ) -> None:
        """See channel.Worker."""
        self._keeper = Keeper(Settings(root=root, run=run, package=package, preload=preload))
        self._on_warning = on_warning
        self._finalizer = weakref.finalize(self, self._keeper.release)

    async def call(
        self,
        name: str,
        /,
        *arguments: object,
        on_event: Callable[[object], object] | None = None,
        **keywords: object,
    ) -> object:
        """See Worker.call; the listeners run in this task."""
        exchange = Exchange(name, arguments, keywords, on_event, self._on_warning)
        try:
            await self._begin(exchange)
            message = await _answer(exchange)
            if message.kind != "result":
                raise exchange.not_one()
            return message.value
        finally:
            exchange.end()

    def stream(
        self,
        name: str,
        /,
        *arguments: object,
        on_event: Callable[[object], object] | None = None,
        **keywords: object,
    ) -> AsyncStream:
        """See Worker.stream; the function is called when the first item is waited for."""
        return AsyncStream(self, Exchange(name, arguments, keywords, on_event, self._on_warning))

    async def _begin(self, exchange: Exchange) -> None:
        while True:
            try:
                link, sock = self._keeper.request(wait=False)
            except BlockingIOError:
                await asyncio.sleep(_AGAIN_S)
                continue
            break
        sock.setblocking(False)
        exchange.begin(link, sock)
        while True:
            try:
                if exchange.send_some():
                    return
            except BlockingIOError:
                await _ready(exchange.fileno(), writing=True)

    async def close(self) -> None:
        """See Worker.close."""
        link = self._keeper.close()
        if link:
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(_ready(link.pidfd), END_S)
            finally:
                link.forget()

    async def __aenter__(self) -> AsyncWorker:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _ready(fd: int, *, writing: bool = False) -> None:
    """Until a descriptor can be read from, or written to."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def done() -> None:
        if not future.done():
            future.set_result(None)

    if writing:
        loop.add_writer(fd, done)
    else:
        loop.add_reader(fd, done)
    try:
        await future
    finally:
        if writing:
            loop.remove_writer(fd)
        else:
            loop.remove_reader(fd)


async def _answer(exchange: Exchange) -> Message:
    """Wait for the next answer."""
    while True:
        await asyncio.sleep(0)
        with contextlib.suppress(BlockingIOError):
            for _ in range(_TURN):
                if message := exchange.receive_some():
                    return message
            continue
        await _ready(exchange.fileno())
