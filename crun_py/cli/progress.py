"""How a pull or push is shown: bars with rates on a terminal (rich), plain lines elsewhere, or
JSON lines for programs."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

from crun_py import jsonfile
from crun_py.cli.output import write, write_error
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.engine.context import Context
    from crun_py.model.registry import Progress as Event

    Words = dict[str, str]
    from crun_py.values import Values

OPTION = ("--progress", "value", "auto, plain, json or none", "KIND")
KINDS = ("auto", "plain", "tty", "json", "none")
PULLED: Words = {"exists": "Already exists", "done": "Pull complete"}
PUSHED: Words = {"exists": "Layer already exists", "done": "Pushed", "preparing": "Preparing"}
_EVERY_S = 0.1


def kind_of(values: Values) -> str:
    """Which of KINDS the options --progress and --quiet ask for.  Raises InvalidArgument."""
    kind = (values.text("progress") if values.has("progress") else "") or "auto"
    if kind not in KINDS:
        raise InvalidArgument(f"progress {kind!r}: not known", hint=", ".join(KINDS))
    if values.given("quiet"):
        return "none"
    if kind == "auto":
        return "tty" if os.isatty(2) else "plain"
    return kind


def show(context: Context, kind: str, words: Words) -> None:
    """Let what the engine pulls or pushes be shown, see `display`."""
    context.showing = lambda: display(kind, words)


@contextmanager
def display(kind: str, words: Words) -> Iterator[Callable[[Event], None] | None]:
    """Gives the function that a pull or push calls with its events; None when nothing is shown.

    words: what a phase is called that ends or concerns a whole layer.
    """
    if kind == "none":
        yield None
    elif kind == "json":
        yield _json_lines()
    elif kind == "tty":
        with _bars(words) as report:
            yield report
    else:
        yield lambda event: _plain(event, words)


def result(kind: str, **fields: str | int) -> None:
    """The last line of --progress json."""
    if kind == "json":
        write(jsonfile.dumps({"status": "complete", **fields}))


def _said(event: Event, words: Words) -> str:
    """docker's words for an event, "" for one of many on the way."""
    if event.phase.startswith("mounted "):
        return "Mounted from " + event.phase.partition(" ")[2]
    return words.get(event.phase, "")


def _plain(event: Event, words: Words) -> None:
    if said := _said(event, words):
        write_error(f"{event.digest[7:19]}: {said}")


def _json_lines() -> Callable[[Event], None]:
    """A line per event, of one layer's bytes at most ten a second."""
    last: dict[str, tuple[str, float]] = {}

    def report(event: Event) -> None:
        phase, told = last.get(event.digest, ("", 0.0))
        now = time.monotonic()
        if phase == event.phase and now - told < _EVERY_S:
            return
        last[event.digest] = (event.phase, now)
        line: dict[str, str | int] = {"status": event.phase}
        if event.digest:
            line |= {"digest": event.digest, "current": event.current, "total": event.total}
        write(jsonfile.dumps(line))

    return report


@contextmanager
def _bars(words: Words) -> Iterator[Callable[[Event], None]]:
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
        total = event.total or 1
        said = _said(event, words)
        done = said and event.phase != "preparing"
        progress.update(
            tasks[event.digest],
            description=said or event.phase.capitalize(),
            completed=total if done else event.current,
            total=total,
        )

    with progress:
        yield report
