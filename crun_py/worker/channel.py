"""Call the engine in its worker, from any thread: `Worker`."""

from __future__ import annotations

import weakref

from crun_py.worker.exchange import Exchange
from crun_py.worker.spawn import Keeper, Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.worker.wire import Message


class Stream:
    """The items of a call, as they come.  Closing it, or forgetting it, interrupts the call."""

    def __init__(self, worker: Worker, exchange: Exchange) -> None:
        self._worker = worker  # lives as long
        self._exchange = exchange
        self._over = False

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> object:
        """Raises the CrunpyError that the call raised."""
        if self._over:
            raise StopIteration
        try:
            message = _answer(self._exchange)
            if message.kind == "result":
                raise self._exchange.not_one()
        except BaseException:
            self.close()
            raise
        if message.kind == "end":
            self.close()
            raise StopIteration
        return message.value

    def close(self) -> None:
        self._over = True
        self._exchange.end()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._exchange.end()


class Worker:
    """A worker of one store, for any number of threads.

    It starts with the first call, starts anew when it died or after a fork of the caller, and ends
    with `close`, with this object and with its process.
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
        """See spawn.Settings.  on_warning: is given each warning, one line, in the thread of the
        call that it is of."""
        self._keeper = Keeper(Settings(root=root, run=run, package=package, preload=preload))
        self._on_warning = on_warning
        self._finalizer = weakref.finalize(self, self._keeper.release)

    def call(
        self,
        name: str,
        /,
        *arguments: object,
        on_event: Callable[[object], object] | None = None,
        **keywords: object,
    ) -> object:
        """What the engine's function `name` ("containers.stop") returns.

        on_event: is given what the function reports meanwhile, in this thread.
        Raises the CrunpyError that it raises, InvalidArgument for what cannot be sent, CrunpyError
        when worker or child end without an answer.  An interrupt of this call interrupts it there.
        """
        exchange = Exchange(name, arguments, keywords, on_event, self._on_warning)
        try:
            self._begin(exchange)
            message = _answer(exchange)
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
    ) -> Stream:
        """The items that the function `name` yields, see `call`.  It is at work from now on."""
        exchange = Exchange(name, arguments, keywords, on_event, self._on_warning)
        try:
            self._begin(exchange)
        except BaseException:
            exchange.end()
            raise
        return Stream(self, exchange)

    def _begin(self, exchange: Exchange) -> None:
        exchange.begin(*self._keeper.request())
        while not exchange.send_some():
            pass

    def close(self) -> None:
        """End the worker and what it still does; waits until it is gone, at most some seconds."""
        link = self._keeper.close()
        if link:
            link.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _answer(exchange: Exchange) -> Message:
    """Wait for the next answer."""
    while not (message := exchange.receive_some()):
        pass
    return message
