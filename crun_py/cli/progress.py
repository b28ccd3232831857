"""How a pull is shown: bars with rates on a terminal (rich), plain lines elsewhere."""

from __future__ import annotations

from contextlib import contextmanager

from crun_py.cli.context import write_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.oci.pull import Event

_DONE = {"exists": "Already exists", "done": "Pull complete"}


@contextmanager
def display(*, quiet: bool, terminal: bool) -> Iterator[Callable[[Event], None] | None]:
    """Gives the function that a pull calls with its events, None when quiet."""
    if quiet:
        yield None
    elif terminal:
        with _bars() as report:
            yield report
    else:
        yield _plain


def _plain(event: Event) -> None:
    if event.phase in _DONE:
        write_error(f"{event.digest[7:19]}: {_DONE[event.phase]}")


@contextmanager
def _bars() -> Iterator[Callable[[Event], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    progress = Progress(
        TextColumn("{task.fields[short]}: {task.description:<14}"),
        BarColumn(bar_width=30),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    tasks = {}

    def report(event: Event) -> None:
        if not event.digest:
            return
        short = event.digest[7:19]
        if event.digest not in tasks:
            tasks[event.digest] = progress.add_task("Waiting", short=short, total=event.total)
        done = event.phase in _DONE
        total = event.total or 1
        progress.update(
            tasks[event.digest],
            description=_DONE.get(event.phase, event.phase.capitalize()),
            completed=total if done else event.current,
            total=total,
        )

    with progress:
        yield report
