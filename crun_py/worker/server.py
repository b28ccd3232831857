"""The worker: forks a child for each request, and watches.  One thread, so that a child may enter
a user namespace (unshare(2)).

    control socket   each packet brings one end of a request's socket; its end is our end
    caller's pidfd   the caller died, although a fork of it may hold the control socket
    wakeup pipe      SIGCHLD
    request sockets  a hangup: the caller has given the request up

A child whose request was given up gets SIGINT, as by Ctrl-C, and SIGKILL when it has not ended
some seconds later.
"""

from __future__ import annotations

import array
import errno
import gc
import importlib
import os
import resource
import select
import signal
import socket
import time

from crun_py import caller
from crun_py._native import check, lib
from crun_py.errors import CrunpyError
from crun_py.worker import serve, wire
from crun_py.worker.spawn import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CONTROL, _CALLER = 3, 4
_KILL_S, _LAST_KILL_S = 60, 10
"""After which a child is killed that was told to give up: what it made would then stay, so it must
have had the time to remove that on the slowest machine.  The second is for the worker's own end,
which somebody waits for."""
_COLLECT = (100_000, 20, 20)
"""When a child collects garbage (gc.set_threshold)."""
_SPARE = 24
"""Descriptors that are for other things than requests."""
_PR_SET_PDEATHSIG = 1
_NAME = b"crunpy-worker"
"""What ps shows of the worker and its children."""
_BROKEN = 70
"""Exit status of a child that did not get as far as its answer (EX_SOFTWARE)."""


class _Request:
    """sock: our copy of the child's end.  kill_at: when its time is up (s, monotonic), or None."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid, self.sock = pid, sock
        self.kill_at: float | None = None


class Server:
    """Serves until its caller ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pid = os.getpid()
        self._control = socket.socket(fileno=_CONTROL)
        self._woken, self._wake = os.pipe()
        self._requests: dict[int, _Request] = {}
        self._hangups: dict[int, _Request] = {}
        self._ending = False
        self._most = max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE)
        self._poller = select.poll()
        for fd in (_CONTROL, _CALLER, self._woken):
            os.set_inheritable(fd, False)
            self._poller.register(fd, select.POLLIN)
        for fd in (self._woken, self._wake):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, _noted)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def loop(self) -> None:
        """Until the caller has ended, and then all children."""
        while not self._ending or self._requests:
            ready = [fd for fd, _ in self._poller.poll(self._patience_ms())]
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._reap()
            # before new ones: they may get the number of one that was closed
            for fd in ready:
                if fd in self._hangups:
                    self._interrupt(self._hangups[fd])
            if _CALLER in ready:
                self._end()
            elif _CONTROL in ready:
                self._accept()
            self._kill_late()

    def _patience_ms(self) -> int | None:
        times = [r.kill_at for r in self._requests.values() if r.kill_at is not None]
        if not times:
            return None
        return max(0, int((min(times) - time.monotonic()) * 1000) + 1)

    def _accept(self) -> None:
        try:
            data, ancillary, _, _ = self._control.recvmsg(
                16, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionError:
            data, ancillary = b"", []
        if not data:
            self._end()
            return
        numbers = array.array("i")
        for _, _, rights in ancillary:
            numbers.frombytes(rights)
        for fd in numbers:  # none: there was no room for it, and its caller sees it closed
            try:
                sock = socket.socket(fileno=fd)
            except OSError:
                os.close(fd)  # it is none
                continue
            self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        """Fork the child that answers the request on `sock`."""
        if len(self._requests) >= self._most:
            hint = "raise the limit: ulimit -n"
            text = f"asking the worker: {len(self._requests)} requests are under way"
            _tell(sock, CrunpyError(text, hint=hint))
            return
        try:
            pid = os.fork()
        except (OSError, MemoryError) as e:
            error = e if isinstance(e, OSError) else OSError(errno.ENOMEM, "")
            _tell(sock, CrunpyError.from_os("starting a process for the request", error))
            return
        if not pid:
            self._child(sock)
        request = _Request(pid, sock)
        self._requests[pid] = self._hangups[sock.fileno()] = request
        self._poller.register(sock.fileno(), 0)

    def _child(self, sock: socket.socket) -> None:
        """Runs in the child; never returns, whatever happens: it must not go on as the worker."""
        status = _BROKEN
        try:
            check(lib.crunpy_prctl(_PR_SET_PDEATHSIG, signal.SIGINT))
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for other in self._requests.values():
                other.sock.close()
            self._control.close()
            for fd in (_CALLER, self._woken, self._wake):
                os.close(fd)
            if os.getppid() == self._pid:
                serve.serve(sock, self._settings, self._pid)
                status = 0
        finally:
            os._exit(status)

    def _reap(self) -> None:
        while self._requests:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            request = self._requests.pop(pid)
            self._forget_hangup(request)
            code = os.waitstatus_to_exitcode(status)
            if code and request.kill_at is None:
                how = f"exited with status {code}" if code > 0 else f"was killed by {_name(-code)}"
                _tell(request.sock, CrunpyError(f"the process of the request {how}"))
            request.sock.close()

    def _forget_hangup(self, request: _Request) -> None:
        if self._hangups.pop(request.sock.fileno(), None):
            self._poller.unregister(request.sock.fileno())

    def _interrupt(self, request: _Request, patience_s: int = _KILL_S) -> None:
        """The request was given up.  The child is ours and not reaped, so the pid is its own."""
        self._forget_hangup(request)
        latest = time.monotonic() + patience_s
        if request.kill_at is None:
            request.kill_at = latest
            os.kill(request.pid, signal.SIGINT)
        request.kill_at = min(request.kill_at, latest)

    def _kill_late(self) -> None:
        now = time.monotonic()
        for request in self._requests.values():
            if request.kill_at is not None and request.kill_at <= now:
                os.kill(request.pid, signal.SIGKILL)
                request.kill_at = now + _KILL_S

    def _end(self) -> None:
        """The caller has ended: so does everything."""
        self._ending = True
        for fd in (_CONTROL, _CALLER):
            self._poller.unregister(fd)
        # what waits there is never begun; others can see at once that we are of no use
        self._control.shutdown(socket.SHUT_RDWR)
        for request in list(self._requests.values()):
            self._interrupt(request, _LAST_KILL_S)


def _noted(number: int, frame: object) -> None:
    """The handler of SIGCHLD: the wakeup pipe tells."""


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tell(sock: socket.socket, error: CrunpyError) -> None:
    """Answer a request in the place of its child; without waiting, as others have requests too."""
    sock.setblocking(False)
    with sock:
        try:
            wire.send(sock, "error", error)
        except (ConnectionError, BlockingIOError):
            return  # its caller is gone, or gets to know that the connection ended


def run(given: dict[str, Any]) -> None:
    """The whole life of a worker.  given: the fields of Settings."""
    caller.has(os.environ)
    settings = Settings(**{**given, "preload": tuple(given["preload"])})
    # kept for the children, who let it through once they can unwind
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    with open("/proc/self/comm", "wb") as f:
        f.write(_NAME)
    for name in settings.preload:
        importlib.import_module(name)
    server = Server(settings)
    os.dup2(1, 2)  # nobody reads there from now on
    # no collection writes to what the children share with us, and they collect seldom: most have
    # ended by then
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    try:
        server.loop()
    except BaseException as e:
        text = f"{type(e).__name__}: {e}\n"
        os.write(_CONTROL, text.encode(errors="backslashreplace")[:4096])
        os._exit(_BROKEN)
