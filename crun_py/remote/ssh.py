"""ssh to a service."""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
import tempfile

from crun_py.errors import NotFound
from crun_py.remote.endpoint import Endpoint, described
from crun_py.remote.link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

_PIECE = 64 << 10


class SshLink(Link):
    """ssh(1) and, on the other machine, `system dial-stdio` of whichever engine is there, as
    docker's command line does.  Names, keys and jumps are ssh's own settings; passwords are not
    asked for: ssh has no terminal, so that what is typed there goes to the container."""

    def __init__(self, endpoint: Endpoint, timeout_s: float) -> None:
        ours, theirs = socket.socketpair()
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # of the object's life
        try:
            self._process = subprocess.Popen(
                _ssh_command(endpoint, timeout_s),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,
            )
        except FileNotFoundError:
            ours.close()
            raise NotFound(
                f"connecting to {described(endpoint)}: the program ssh is missing",
                hint="install openssh-client",
            ) from None
        finally:
            theirs.close()
        super().__init__(ours, endpoint)

    def close(self) -> None:
        super().close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        self._said.close()

    def why(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self._said.seek(0)
        lines = self._said.read(_PIECE).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


_ENGINES = ("crunpy", "docker", "podman")


def _ssh_command(endpoint: Endpoint, timeout_s: float) -> list[str]:
    command = ["ssh", "-T", "-o", f"ConnectTimeout={int(timeout_s)}"]
    if endpoint.user:
        command += ["-l", endpoint.user]
    if endpoint.port:
        command += ["-p", str(endpoint.port)]
    if endpoint.identity:
        command += ["-i", endpoint.identity]
    return [*command, "--", endpoint.host, f"sh -c {shlex.quote(_dial(endpoint.path))}"]


def _dial(path: str) -> str:
    """What a shell there runs: the first engine that is installed connects us."""
    lines = []
    for name in _ENGINES:
        option = "--url" if name == "podman" else "--host"
        where = f" {option} {shlex.quote('unix://' + path)}" if path else ""
        lines.append(f"command -v {name} >/dev/null && exec {name}{where} system dial-stdio")
    return "; ".join(
        [*lines, f"echo none of {', '.join(_ENGINES)} is installed there >&2; exit 127"]
    )
