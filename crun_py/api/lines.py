"""Answers that are told line by line while a call of the engine works: JSON documents, as docker's
clients show them (builds, pulls, pushes)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from crun_py.api.http import Disconnected, Exchange
from crun_py.errors import BuildError, CrunpyError

Line = dict[str, object]


class Lines:
    """Lines on their way to a client; the answer begins with the first."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._queue: asyncio.Queue[Line | None] = asyncio.Queue()

    def put(self, line: Line) -> None:
        """Send one when it is its turn."""
        self._queue.put_nowait(line)

    async def _send(self) -> None:
        line = await self._queue.get()
        if line is None:
            return
        await self._exchange.begin("application/json")
        while line is not None:
            await self._exchange.lines(line)
            line = await self._queue.get()
        await self._exchange.end()

    @contextlib.asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Inside, lines are sent.  An error before the first has a status, a later one and a
        build's is the last line."""
        sending = asyncio.ensure_future(self._send())
        try:
            yield
        except CrunpyError as e:
            nothing_yet = not self._exchange.answered and self._queue.empty()
            if nothing_yet and not isinstance(e, BuildError):
                raise
            self.put(_failure(e))
        finally:
            self._queue.put_nowait(None)
            with contextlib.suppress(asyncio.CancelledError, Disconnected):
                await sending


def _failure(error: CrunpyError) -> Line:
    detail: Line = {"message": error.message}
    if isinstance(error, BuildError) and error.code:
        detail["code"] = error.code
    return {"errorDetail": detail, "error": error.message}
