"""A socket for a container that leads to an ssh-agent.

An ssh-agent talks to its own user and to root only, and a container's process may be neither.
So it gets a socket of its own, which belongs to whom the mount says; a process of ours passes
questions on, and only those: to list keys and to sign (BuildKit has the same limits).
"""

from __future__ import annotations

import _signal as signal  # its front, signal, imports enum
import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket as Socket

_MESSAGE_BYTES = 256 << 10
_LIST, _SIGN, _EXTENSION = 11, 13, 27
_BIND = b"session-bind@openssh.com"
_FAILURE = b"\0\0\0\1\5"
"""draft-miller-ssh-agent, "Protocol messages"."""
_CONNECTIONS, _BUSY_S = 64, 0.05


class Forward:
    """A socket at `path`, and a process that passes on to the socket `agent` what comes there.

    It is made in the directory `work`, and belongs to `uid` and `gid`.  The process ends with
    `stop`, or with ours.  Raises OSError.
    """

    def __init__(self, agent: str, work: str, mode: int, uid: int, gid: int) -> None:
        self.path = f"{work}/ssh-{os.urandom(6).hex()}"
        listener = _listening(self.path)
        try:
            os.chown(self.path, uid, gid)
            os.chmod(self.path, mode)
            # when we are gone, however that comes, its other end says so
            heard, self._held = os.pipe()
        except BaseException:
            listener.close()
            unlink(self.path)
            raise
        self._pid = os.fork()
        if self._pid == 0:
            _serve(listener, heard, agent)
        os.close(heard)
        listener.close()

    def stop(self) -> None:
        """End the process and its connections, remove the socket."""
        os.close(self._held)
        with contextlib.suppress(ChildProcessError):  # somebody else has waited
            os.waitpid(self._pid, 0)
        unlink(self.path)


def _listening(path: str) -> Socket:
    """A socket that is bound to `path`, which may be longer than a socket's address."""
    import socket

    above = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(f"/proc/self/fd/{above}/{os.path.basename(path)}")
        made.listen(_CONNECTIONS)
    except BaseException:
        made.close()
        raise
    finally:
        os.close(above)
    return made


def _serve(listener: Socket, heard: int, agent: str) -> None:
    """Runs in the process of a forward; never returns."""
    try:
        os.setsid()
    except BaseException:
        os._exit(1)
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open("/dev/null", os.O_RDWR)
        for fd in range(3):
            os.dup2(nothing, fd)
        first, second = sorted((listener.fileno(), heard))
        for low, high in ((3, first), (first + 1, second), (second + 1, 1 << 30)):
            os.closerange(low, high)
        os.umask(0o077)
        _accept(listener, heard, agent)
    finally:
        os.killpg(0, signal.SIGKILL)  # connections that are still open, and ourselves


def _accept(listener: Socket, heard: int, agent: str) -> None:
    import select
    import time

    waiting = select.poll()
    waiting.register(listener.fileno(), select.POLLIN)
    waiting.register(heard, select.POLLIN)
    alive = 0
    while True:
        ready = dict(waiting.poll(1000))
        alive -= _reaped(alive)
        if heard in ready:
            return
        if alive >= _CONNECTIONS:
            time.sleep(_BUSY_S)
            continue
        if listener.fileno() not in ready:
            continue
        client, _ = listener.accept()
        if os.fork() == 0:
            try:
                listener.close()
                os.close(heard)
                _converse(client, agent)
            finally:
                os._exit(0)
        alive += 1
        client.close()


def _reaped(alive: int) -> int:
    """How many of the processes of connections have ended."""
    found = 0
    while found < alive and os.waitpid(-1, os.WNOHANG)[0]:
        found += 1
    return found


def _converse(client: Socket, agent: str) -> None:
    """Questions from `client`, answers from `agent`, one after the other, until one goes."""
    import socket

    upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    above = os.open(os.path.dirname(agent), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    upstream.connect(f"/proc/self/fd/{above}/{os.path.basename(agent)}")
    while question := _message(client):
        if not _may_ask(question[4:]):
            client.sendall(_FAILURE)
            continue
        upstream.sendall(question)
        answer = _message(upstream)
        if not answer:
            return
        client.sendall(answer)


def _may_ask(message: bytes) -> bool:
    kind = message[0] if message else 0
    if kind == _EXTENSION:
        return message[1:5] == len(_BIND).to_bytes(4, "big") and message[5:29] == _BIND
    return kind in (_LIST, _SIGN)


def _message(connection: Socket) -> bytes:
    """The next message with the length before it; b"" at the end, and for one too long."""
    head = _exactly(connection, 4)
    size = int.from_bytes(head, "big")
    if len(head) < 4 or not 0 < size <= _MESSAGE_BYTES:
        return b""
    body = _exactly(connection, size)
    return head + body if len(body) == size else b""


def _exactly(connection: Socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := connection.recv(size - len(data))):
        data += piece
    return data


def unlink(path: str) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
