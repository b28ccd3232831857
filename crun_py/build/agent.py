"""--ssh: the agent that `RUN --mount=type=ssh` reaches (docker-build(1), podman-build(1)).

An ssh-agent talks to its own user and to root only, and a container's process may be neither.
So it gets a socket of its own, which belongs to whom the mount says; a process of ours passes
questions on, and only those: to list keys and to sign (BuildKit has the same limits).
"""

from __future__ import annotations

import _signal as signal  # its front, signal, imports enum
import contextlib
import os
import stat

from crun_py.build.mounts import fields
from crun_py.errors import CrunpyError, InvalidArgument, NotFound, Unsupported
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket as Socket
    from subprocess import Popen

_MESSAGE_BYTES = 256 << 10
_LIST, _SIGN, _EXTENSION = 11, 13, 27
_BIND = b"session-bind@openssh.com"
_FAILURE = b"\0\0\0\1\5"
"""draft-miller-ssh-agent, "Protocol messages"."""
_CONNECTIONS, _BUSY_S = 64, 0.05


@record
class Ssh:
    """paths: absolute, of a socket or of key files; () for the agent of SSH_AUTH_SOCK."""

    id: str
    paths: tuple[str, ...] = ()


def parse(text: str, directory: str) -> Ssh:
    """What `--ssh=text` gives: `default`, or `ID[=SOCKET|KEY[,KEY…]]`.

    directory: where relative paths begin.  Raises InvalidArgument.
    """
    id_, sep, rest = text.partition("=")
    if not id_ or "," in id_:
        raise InvalidArgument(f"ssh {text!r}: it has no id", hint="default, or ID=SOCKET")
    paths = tuple(path for path in fields(rest) if path) if sep else ()
    if sep and not paths:
        raise InvalidArgument(f"ssh {text!r}: no path after =", hint="a socket or key files")
    return Ssh(id=id_, paths=tuple(os.path.join(directory, path) for path in paths))


class Agent:
    """Stands for one --ssh during a build.

    work: a directory of the build's own.  Raises NotFound, InvalidArgument, Unsupported.
    """

    def __init__(self, ssh: Ssh, work: str, environment: Mapping[str, str]) -> None:
        self._ssh, self._work, self._environment = ssh, work, environment
        self._keys: tuple[str, ...] = ()
        self._own: _OwnAgent | None = None
        self._forwards: list[_Forward] = []
        self._socket = self._found()

    def _found(self) -> str:
        """The socket of the agent; "" where one must be started for keys."""
        title = f"ssh {self._ssh.id}"
        paths = self._ssh.paths or (self._environment.get("SSH_AUTH_SOCK", ""),)
        if paths == ("",):
            raise NotFound(
                f"{title}: no agent: SSH_AUTH_SOCK is not set",
                hint="eval $(ssh-agent); ssh-add; or --ssh ID=KEY",
            )
        sockets = [path for path in paths if self._is_socket(path, title)]
        if not sockets:
            self._keys = paths
            return ""
        if len(paths) > 1:
            raise InvalidArgument(f"{title}: one socket, or key files, not both")
        return sockets[0]

    @staticmethod
    def _is_socket(path: str, title: str) -> bool:
        try:
            mode = os.stat(path).st_mode
        except OSError as e:
            raise NotFound.from_os(f"{title}: {path}", e) from e
        if not stat.S_ISSOCK(mode) and not stat.S_ISREG(mode):
            raise InvalidArgument(f"{title}: {path}: neither a socket nor a key file")
        return stat.S_ISSOCK(mode)

    def start(self, *, mode: int = 0o600, uid: int = 0, gid: int = 0) -> str:
        """The path of a new socket, to be mounted, that belongs to `uid` and `gid`.

        Raises Unsupported without the programs that keys need, CrunpyError.
        """
        if not self._socket:
            self._own = _OwnAgent(self._keys, f"ssh {self._ssh.id}", self._work, self._environment)
            self._socket = self._own.path
        try:
            forward = _Forward(self._socket, self._work, mode, uid, gid)
        except OSError as e:
            raise CrunpyError.from_os(f"ssh {self._ssh.id}: forwarding the agent", e) from e
        self._forwards.append(forward)
        return forward.path

    def stop(self) -> None:
        """End all that was started; `start` may follow."""
        for forward in self._forwards:
            forward.stop()
        self._forwards = []
        if self._own:
            self._own.stop()
            self._own, self._socket = None, ""


# ---- an agent for key files ----


class _OwnAgent:
    """An ssh-agent that has `keys`, until `stop` or until we are gone."""

    def __init__(
        self, keys: tuple[str, ...], title: str, work: str, environment: Mapping[str, str]
    ) -> None:
        self._title = title
        self.path = f"{work}/agent-{os.urandom(6).hex()}"
        kept = {key: value for key, value in environment.items() if not key.startswith("SSH_")}
        self._environment = {**kept, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
        # the agent ends with the command that it runs, and that one with us
        words = ["ssh-agent", "-a", self.path, "sh", "-c", "echo $SSH_AGENT_PID; exec cat"]
        self._process = self._begun(words)
        assert self._process.stdout
        said = self._process.stdout.readline().strip()
        self._pid = int(said) if said.isdigit() else 0
        try:
            if not self._pid:
                raise CrunpyError(f"{title}: ssh-agent could not be started")
            for key in keys:
                self._add(key)
        except BaseException:
            self.stop()
            raise

    def _begun(self, words: list[str]) -> Popen[bytes]:
        import subprocess

        try:
            return subprocess.Popen(
                words,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except FileNotFoundError as e:
            raise self._missing() from e

    def _missing(self) -> Unsupported:
        return Unsupported(
            f"{self._title}: key files need ssh-agent and ssh-add, which are not installed",
            hint="apt install openssh-client, or give the socket of an agent",
        )

    def _add(self, key: str) -> None:
        import subprocess

        try:
            done = subprocess.run(
                ["ssh-add", "-q", key],
                env={**self._environment, "SSH_AUTH_SOCK": self.path},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                start_new_session=True,  # it cannot ask for a passphrase
                check=False,
            )
        except FileNotFoundError as e:
            raise self._missing() from e
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace")
            if "UNPROTECTED" in said:
                raise InvalidArgument(f"{self._title}: others may read the key {key}",
                                      hint=f"chmod 600 {key}")  # fmt: skip
            raise InvalidArgument(
                f"{self._title}: the key {key} cannot be used",
                hint="one with a passphrase must be in an agent: ssh-add, then --ssh default",
            )

    def stop(self) -> None:
        if self._pid:
            with contextlib.suppress(ProcessLookupError):  # it ends with its command
                os.kill(self._pid, signal.SIGTERM)
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        _unlink(self.path)


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


# ---- a socket that leads to an agent ----


class _Forward:
    """A socket at `path`, and a process that passes on to `agent` what comes there."""

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
            _unlink(self.path)
            raise
        self._pid = os.fork()
        if self._pid == 0:
            _serve(listener, heard, agent)
        os.close(heard)
        listener.close()

    def stop(self) -> None:
        os.close(self._held)
        with contextlib.suppress(ChildProcessError):  # somebody else has waited
            os.waitpid(self._pid, 0)
        _unlink(self.path)


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
