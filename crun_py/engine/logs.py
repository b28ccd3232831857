"""What containers wrote."""

from __future__ import annotations

from crun_py import logs, state
from crun_py.container import restart
from crun_py.model.state import LogEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


def together(
    names: Sequence[str], read: Callable[[str], Iterator[LogEntry]], *, follow: bool
) -> Iterator[tuple[str, LogEntry]]:
    """What `read` gives for each of several containers, with the name: by time; follow: as it
    comes, for each is waited for by a thread."""
    if not follow:
        import heapq

        streams = [_named(name, read(name)) for name in names]
        yield from heapq.merge(*streams, key=lambda item: item[1].time)
        return
    import queue
    import threading

    found: queue.SimpleQueue[tuple[str, LogEntry | Exception | None]] = queue.SimpleQueue()

    def pass_on(name: str) -> None:
        try:
            for entry in read(name):
                found.put((name, entry))
            found.put((name, None))
        except Exception as e:
            found.put((name, e))

    for name in names:
        threading.Thread(target=pass_on, args=[name], daemon=True).start()
    left = len(names)
    while left:
        name, entry = found.get()
        if isinstance(entry, Exception):
            raise entry
        if entry is None:
            left -= 1
        else:
            yield name, entry


def _named(name: str, entries: Iterator[LogEntry]) -> Iterator[tuple[str, LogEntry]]:
    for entry in entries:
        yield name, entry


def more_may_come(container: Container) -> bool:
    """Whether it runs, or its restart policy starts it again."""
    status = container.status()
    if status.running or status.state == "restarting":
        return True
    return status.state == "exited" and restart.due(container, status.exit_code)
