"""Start a worker, and ask it for a child: the caller's side, without any waiting for answers.

The worker is a fresh interpreter, as the caller's image cannot be forked: it may have threads.  It
finds our modules where the caller found them, behind the standard library.  What it says before
it ends, be it the interpreter's complaint or its own, goes to its control socket, where its
standard error leads until it works: `last_words` reads it when a request was not answered.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading

import crun_py
from crun_py import jsonfile
from crun_py._native import check, ffi, lib
from crun_py.errors import CrunpyError, Unsupported
from crun_py.record import fields_of, record
from crun_py.worker import wire

MAIN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
_LINE_BYTES = 65536
END_S = 15
"""How long `close` waits: longer than the worker gives its children."""
_RESTARTS = 3


@record
class Settings:
    """What a worker works on and with.

    root, run: the store, as for engine.context.Context.
    package:   its module `containers` has the functions of the calls `containers.…`.
    preload:   modules that every child then has already.
    """

    root: str | None
    run: str | None
    package: str = "crun_py.engine"
    preload: tuple[str, ...] = ()


def _search_path() -> list[str]:
    """Where the worker looks for modules, after its standard library: where we lie, then where the
    caller looks; nothing that depends on the working directory."""
    places = [os.path.dirname(os.path.dirname(os.path.abspath(crun_py.__file__))), *sys.path]
    return list(dict.fromkeys(p for p in places if isinstance(p, str) and os.path.isabs(p)))


def _argv(settings: Settings) -> list[bytes]:
    given = jsonfile.dumps({**fields_of(settings), "path": _search_path()})
    return [os.fsencode(w) for w in (sys.executable, "-I", "-S", MAIN, given)]


def _environment() -> list[bytes]:
    """The caller's; another thread may change it meanwhile."""
    pairs = [(name, os.environb.get(name)) for name in list(os.environb)]
    return [name + b"=" + value for name, value in pairs if value is not None]


def _strings(values: list[bytes]) -> tuple[object, list[object]]:
    """A char *[] with a NULL at its end, and what must live as long."""
    held = [ffi.new("char[]", value) for value in values]
    return ffi.new("char *[]", [*held, ffi.NULL]), held


def _spawn(argv: list[bytes], control: int) -> int:
    """Execute `argv` as the worker with the socket `control`; returns a pidfd.  Raises OSError."""
    arguments, _held = _strings(argv)
    environment, _held_too = _strings(_environment())
    caller = wire.above_streams(os.pidfd_open(os.getpid()))
    try:
        pidfd = check(lib.crunpy_spawn(argv[0], arguments, environment, control, caller))
    finally:
        os.close(caller)
    return wire.above_streams(pidfd)


class Link:
    """A worker, as the process that started it sees it.

    owner: that process.  pidfd: of the worker; readable when it has ended.
    """

    pidfd = -1

    def __init__(self, settings: Settings) -> None:
        """Start one; it is there at once, requests wait until it listens.

        Raises Unsupported without an interpreter, CrunpyError.
        """
        if not sys.executable:
            raise Unsupported(
                "starting the worker: this program does not know its Python interpreter",
                hint="set sys.executable to the path of python3",
            )
        self.owner = os.getpid()
        try:
            self._control, theirs = wire.pair(socket.SOCK_SEQPACKET)
            with theirs:
                try:
                    self.pidfd = _spawn(_argv(settings), theirs.fileno())
                except OSError:
                    self._control.close()
                    raise
        except OSError as e:
            raise CrunpyError.from_os(f"starting the worker: {sys.executable}", e) from e

    def request(self, *, wait: bool) -> socket.socket:
        """The caller's end of a new request's socket; the other end is the child's.

        wait: until the worker has room for one more; else raises BlockingIOError.
        Raises ConnectionError when the worker is gone, OSError.
        """
        ours, theirs = wire.pair(socket.SOCK_STREAM)
        try:
            with theirs:
                flags = socket.MSG_NOSIGNAL | (0 if wait else socket.MSG_DONTWAIT)
                socket.send_fds(self._control, [b"+"], [theirs.fileno()], flags)
        except BaseException:
            ours.close()
            raise
        return ours

    def last_words(self) -> str | None:
        """What the worker said before it ended, its last line; None while it lives."""
        said = b""
        reset = False
        while True:
            try:
                part = self._control.recv(_LINE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except ConnectionResetError:
                # requests that it never took; told once, and before what it said
                if reset:
                    break
                reset = True
                continue
            except OSError as e:  # closed meanwhile
                return os.strerror(e.errno or 0).lower()
            if not part:
                break
            said += part
        lines = said.decode("utf-8", "backslashreplace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it was killed")

    def end(self) -> None:
        """Let the worker and what it does end, without waiting; in a fork of the process that
        started it, only forget it."""
        wire.hang_up(self._control, self.owner)

    def wait(self) -> None:
        """After `end`: until the worker is gone, at most some seconds."""
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        poller.poll(END_S * 1000)
        self.forget()

    def forget(self) -> None:
        """After `end`: nobody waits for the worker, or any longer."""
        pidfd, self.pidfd = self.pidfd, -1
        if pidfd < 0:
            return
        # a subreaper, or the first process of a container, got it as a child
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
        os.close(pidfd)

    def __del__(self) -> None:
        self.forget()


class Keeper:
    """Keeps one worker: started when it is needed, anew when it died or this is a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._link: Link | None = None
        self._closed = False
        # one for each process: after a fork the parent's may be held by a thread that is not there
        self._locks: dict[int, threading.Lock] = {}

    def _lock(self) -> threading.Lock:
        return self._locks.setdefault(os.getpid(), threading.Lock())

    def request(self, *, wait: bool = True) -> tuple[Link, socket.socket]:
        """A worker and a new request's socket, see `Link.request`.  Raises CrunpyError."""
        said = None
        for _ in range(_RESTARTS):
            link = self._current()
            try:
                return link, link.request(wait=wait)
            except ConnectionError:
                said = link.last_words()
                self._drop(link)
            except BlockingIOError:
                raise
            except OSError as e:
                self._refuse_closed()
                raise CrunpyError.from_os("asking the worker", e) from e
        raise CrunpyError(f"starting the worker: it ends again and again: {said or 'no reason'}")

    def _refuse_closed(self) -> None:
        if self._closed:
            raise CrunpyError("asking the worker: it is closed")

    def _current(self) -> Link:
        with self._lock():
            self._refuse_closed()
            if self._link and self._link.owner != os.getpid():
                self._link.end()
                self._link.forget()
                self._link = None
            if not self._link:
                self._link = Link(self._settings)
            return self._link

    def _drop(self, link: Link) -> None:
        """`link`'s worker has died."""
        with self._lock():
            if self._link is link:
                link.end()
                link.wait()
                self._link = None

    def release(self) -> None:
        """Let the worker end; takes no lock, so that it can be called by the garbage collector."""
        self._closed = True
        if self._link:
            self._link.end()
            self._link.forget()

    def close(self) -> Link | None:
        """Let the worker end, and refuse what comes later; whose end can be waited for."""
        with self._lock():
            self._closed = True
            link, self._link = self._link, None
        if not link:
            return None
        link.end()
        if link.owner == os.getpid():
            return link
        link.forget()
        return None
