"""One request, in a child of the worker of its own: read, call, answer.

The caller is told, in this order and each as a message:

    event, warning     as they happen (Context.report, notices.warn)
    item …, end        what an iterator gives
    result             what is no iterator
    error              instead of the end or the result
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
from collections.abc import Iterator

from crun_py import hints, notices
from crun_py.engine.context import Context
from crun_py.errors import CrunpyError, InvalidArgument, internal
from crun_py.worker import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from crun_py.worker.spawn import Settings

_INTERRUPT = (signal.SIGINT,)


class _Caller:
    """Who made the request; may be told from any thread.

    An interrupt waits until a message is whole.  That the caller hangs up ends the wait, and is an
    interrupt too.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()

    def tell(self, kind: str, value: object = None) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
        try:
            with self._lock:
                wire.send(self._sock, kind, value)
        except ConnectionError:
            raise KeyboardInterrupt from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _function(package: str, name: str) -> Callable[..., object]:
    """The function of the call `name`: one that PACKAGE.GROUP lists in CALLS."""
    group, _, word = name.partition(".")
    if group.isidentifier() and not group.startswith("_"):
        try:
            module = importlib.import_module(f"{package}.{group}")
        except ModuleNotFoundError as e:
            if e.name != f"{package}.{group}":
                raise
        else:
            if word in getattr(module, "CALLS", ()):
                found: Callable[..., object] = getattr(module, word)
                return found
    raise InvalidArgument(f"calling {name}: there is no such call")


def _request(message: wire.Message) -> tuple[str, tuple[object, ...], dict[str, object]]:
    value = message.value
    if message.kind == wire.CALL and isinstance(value, tuple) and len(value) == 3:
        name, arguments, keywords = value
        if isinstance(name, str) and isinstance(arguments, tuple) and isinstance(keywords, dict):
            return name, arguments, keywords
    raise CrunpyError("reading a request: malformed")


def _carry_out(message: wire.Message, settings: Settings, caller: _Caller) -> tuple[str, object]:
    """Call the function; returns the last message."""
    name, arguments, keywords = _request(message)
    function = _function(settings.package, name)

    def report(event: object) -> None:
        caller.tell("event", event)

    notices.listen(lambda line: caller.tell("warning", line))
    hints.check_call(function, arguments, keywords)
    context = Context(settings.root, settings.run, report=report, foreign=name == "doctor.doctor")
    answer = function(context, *arguments, **keywords)
    if not isinstance(answer, Iterator):
        return "result", answer
    try:
        for item in answer:
            caller.tell("item", item)
    finally:
        close = getattr(answer, "close", None)
        if close:
            close()
    return "end", None


def _outcome(sock: socket.socket, settings: Settings, caller: _Caller, worker: int) -> None:
    """Read the request and answer it.  Raises KeyboardInterrupt when the caller has gone."""
    try:
        message = wire.receive(sock, wire.Incoming())
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPT)
            last = _carry_out(message, settings, caller)
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
        caller.tell(*last)
    except CrunpyError as e:
        error = e
    except OSError as e:
        where = f": {e.filename}" if e.filename else ""
        error = CrunpyError.from_os(f"carrying out the request{where}", e)
    except KeyboardInterrupt:
        lives = os.getppid() == worker
        error = CrunpyError("interrupted" if lives else "the worker was killed meanwhile")
    except MemoryError:
        error = CrunpyError("out of memory")
    except Exception as e:
        error = internal(e)
    else:
        return
    caller.tell("error", error)


def serve(sock: socket.socket, settings: Settings, worker: int) -> None:
    """Answer the one request that comes on `sock`.  worker: our parent's pid.

    Runs in a child of the worker, with SIGINT blocked, which is let through while there is
    something to unwind.
    """
    try:
        _outcome(sock, settings, _Caller(sock), worker)
    except (KeyboardInterrupt, EOFError):
        return  # nobody is there to be told
