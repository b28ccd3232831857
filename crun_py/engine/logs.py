"""What containers wrote."""

from __future__ import annotations

from crun_py import logs, state
from crun_py.container import restart
from crun_py.model.state import LogEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.engine.context import Context
    from crun_py.state import Container

CALLS = ("read",)


def read(
    context: Context,
    name: str,
    *,
    follow: bool = False,
    tail: int | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> Iterator[LogEntry]:
    """The entries of a container's log, oldest first.

    follow: go on until it has ended; tail: only so many of the last lines; since_ns, until_ns:
    nanoseconds since 1970.  Raises NotFound, Unsupported where no log is kept.
    """
    container = state.find(context.paths, name)
    for entry in logs.read(
        container,
        follow=follow,
        tail=tail,
        since_ns=since_ns,
        until_ns=until_ns,
        running=lambda: more_may_come(container),
    ):
        yield LogEntry(stream=entry["stream"], time=entry["time"], text=entry["log"])


def more_may_come(container: Container) -> bool:
    """Whether it runs, or its restart policy starts it again."""
    status = container.status()
    if status.running or status.state == "restarting":
        return True
    return status.state == "exited" and restart.due(container, status.exit_code)
