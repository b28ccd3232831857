"""--ssh: the agent that RUN --mount=type=ssh reaches."""

from __future__ import annotations

from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@record
class Ssh:
    """paths: a socket, or key files; () for the agent of SSH_AUTH_SOCK."""

    id: str
    paths: tuple[str, ...] = ()


def parse(text: str) -> Ssh:
    """What `--ssh=text` gives."""
    raise NotImplementedError


class Agent:
    """Stands for one --ssh during a build.  work: a directory of the build's own."""

    def __init__(self, ssh: Ssh, work: str, environment: Mapping[str, str]) -> None:
        raise NotImplementedError

    def start(self, *, mode: int = 0o600, uid: int = 0, gid: int = 0) -> str:
        """The path of a socket that belongs to `uid` and `gid`."""
        raise NotImplementedError

    def stop(self) -> None:
        """End all that was started."""
        raise NotImplementedError
