"""Staying with a container's process: signals to it, its terminal to ours, its exit status."""

from __future__ import annotations

import _signal as signal
import os
import select

from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import TypeVar

    from crun_py.oci_runtime import execute, make

    Request = TypeVar("Request", make.Request, execute.Request)

_SIGCHLD, _SIGURG, _SIGWINCH, _SIGPIPE, _SIGKILL, _SIGSTOP = 17, 23, 28, 13, 9, 19
_NOT_PASSED = {_SIGCHLD, _SIGURG, _SIGWINCH, _SIGPIPE, _SIGKILL, _SIGSTOP}
_PIECE = 65536


class _Undoing:
    """What is to be done at the end of a `with`, last things first."""

    def __init__(self) -> None:
        self._later: list[Callable[[], object]] = []

    def __exit__(self, *_: object) -> None:
        while self._later:
            self._later.pop()()


class Foreground(_Undoing):
    """Inside a `with`: signals to us wait for the process; our terminal is as it was after it."""

    def __init__(self, *, terminal: bool, console_socket: str) -> None:
        """console_socket: who gets the terminal's master, "" for us."""
        super().__init__()
        self._ours = terminal and not console_socket
        self._listener: socket.socket | None = None
        self._path, self._master = "", -1
        self._mask: set[int] = set()

    def __enter__(self) -> Foreground:
        passed = set(signal.valid_signals()) - _NOT_PASSED
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*passed, _SIGCHLD})
        self._later.append(lambda: signal.pthread_sigmask(signal.SIG_SETMASK, self._mask))
        if self._ours:
            if not os.isatty(0):
                self.__exit__()
                raise InvalidArgument(
                    "the process has a terminal, and standard input is none",
                    hint="process.terminal: false, or --console-socket",
                )
            import socket
            import tempfile

            directory = tempfile.TemporaryDirectory()
            self._later.append(directory.cleanup)
            self._path = directory.name + "/console"
            listener = self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._later.append(listener.close)
            listener.bind(self._path)
            listener.listen(1)
        return self

    def changed(self, request: Request) -> Request:
        """The request with our socket, if the terminal is to be ours."""
        return replaced(request, console_socket=self._path) if self._ours else request

    def take_terminal(self) -> None:
        """The master has been sent by now; ours becomes raw."""
        if not self._listener:
            return
        import socket
        import termios
        import tty

        with self._listener.accept()[0] as peer:
            _, numbers, _, _ = socket.recv_fds(peer, 64, 1)
        if not numbers:
            raise CrunpyError("taking the terminal over: it did not come")
        self._master = numbers[0]
        self._later.append(lambda: os.close(self._master))
        if os.isatty(0):
            before = termios.tcgetattr(0)
            tty.setraw(0)
            self._later.append(lambda: termios.tcsetattr(0, termios.TCSADRAIN, before))
            self._resize()

    def _resize(self) -> None:
        import fcntl
        import termios

        try:
            size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)
        except OSError:  # ours or theirs is gone
            return

    def wait(self, pid: int) -> int:
        """Until the process `pid`, a child of ours by now, has ended; its exit status, 128 + N for
        a signal."""
        pidfd = os.pidfd_open(pid)
        self._later.append(lambda: os.close(pidfd))
        signals = _Signals()
        self._later.append(signals.__exit__)
        signals.__enter__()
        poller = select.poll()
        for fd in (pidfd, signals.fd):
            poller.register(fd, select.POLLIN)
        if self._master >= 0:
            for fd in (0, self._master):
                poller.register(fd, select.POLLIN)
        ended = False
        while not ended:
            for fd, _ in poller.poll():
                if fd == pidfd:
                    ended = True
                elif fd == signals.fd:
                    self._pass_on(signals.take(), pidfd)
                elif not self._pass(fd):
                    poller.unregister(fd)
        while self._master >= 0 and self._pass(self._master):
            continue
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status if status >= 0 else 128 - status

    def _pass_on(self, numbers: set[int], pidfd: int) -> None:
        for number in numbers:
            if number == _SIGWINCH:
                self._resize()
            elif number not in _NOT_PASSED:
                try:
                    signal.pidfd_send_signal(pidfd, number)
                except ProcessLookupError:  # it has ended, which the next turn sees
                    return

    def _pass(self, fd: int) -> bool:
        """Some bytes from here to there; False at the end."""
        try:
            data = os.read(fd, _PIECE)
        except OSError:  # EIO: nobody has the terminal open
            return False
        target = self._master if fd == 0 else 1
        while data:
            data = data[os.write(target, data) :]
            if not data:
                return True
        return False


class _Signals(_Undoing):
    """Signals by a descriptor: their handlers only note them."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[int] = set()
        self.fd = -1

    def __enter__(self) -> _Signals:
        self.fd, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        before = signal.set_wakeup_fd(told)
        self._later += [lambda: os.close(self.fd), lambda: os.close(told),
                        lambda: signal.set_wakeup_fd(before)]  # fmt: skip
        for number in set(signal.valid_signals()) - (_NOT_PASSED - {_SIGWINCH}):
            self._handle(number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
        return self

    def _handle(self, number: int) -> None:
        try:
            handler = signal.signal(number, self._note)
        except (OSError, ValueError):  # some are the C library's own
            return
        self._later.append(lambda: signal.signal(number, handler))

    def _note(self, number: int, _: object) -> None:
        self._seen.add(number)

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.valid_signals()) - _NOT_PASSED)
        super().__exit__()

    def take(self) -> set[int]:
        """Those that came."""
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:  # an earlier turn took them together
            return set()
        found, self._seen = self._seen, set()
        return found
