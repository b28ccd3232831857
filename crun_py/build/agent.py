"""--ssh: the agent that `RUN --mount=type=ssh` reaches (docker-build(1), podman-build(1)).

The agent is the caller's, or one that we start for key files; `forward` leads to it.
"""

from __future__ import annotations

import _signal as signal  # its front, signal, imports enum
import contextlib
import os
import stat

from crun_py.build.forward import Forward, unlink
from crun_py.build.mounts import fields
from crun_py.errors import CrunpyError, InvalidArgument, NotFound, Unsupported
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from subprocess import Popen


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
        self._forwards: list[Forward] = []
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
            forward = Forward(self._socket, self._work, mode, uid, gid)
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
        unlink(self.path)
