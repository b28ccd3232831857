"""crunpy logs."""

from __future__ import annotations

import os

from crun_py import clock, logs, state
from crun_py.container import attach
from crun_py.engine.context import Context
from crun_py.engine.logs import more_may_come
from crun_py.engine.selection import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.documents.log import LogLine
    from crun_py.state import Container
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-f --follow", "flag", "Go on with what comes, until the container ends", ""),
    ("-n --tail", "value", "Only so many of the last lines (all)", "N"),
    ("-t --timestamps", "flag", "Begin each line with its time", ""),
    ("--since", "value", "From a time, or a span ago (42m)", "TIME"),
    ("--until", "value", "Up to a time, or a span ago", "TIME"),
    ("--details", "flag", "Labels and variables that --log-opt named, before each line", ""),
    ("--names", "flag", "With several containers: their names instead of ids", ""),
    ("--color", "flag", "With several containers: each in a colour of its own", ""),
    ("-l --latest", "flag", "The container created last", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the output of containers, its two streams to ours; several ones by time, each line
    behind its container's id."""
    names = named(context, arguments, False, latest=values.flag("latest"))
    found = [state.find(context.paths, name) for name in names]
    prints = [_printer(c, values, n, several=len(found) > 1) for n, c in enumerate(found)]
    if len(found) == 1:
        for entry in _read(found[0], values):
            prints[0](entry)
    elif values.flag("follow"):
        _follow(found, prints, values)
    else:
        import heapq
        from itertools import repeat

        streams = [
            zip(repeat(show), _read(container, values))
            for container, show in zip(found, prints, strict=True)
        ]
        for show, entry in heapq.merge(*streams, key=lambda item: item[1]["time"]):
            show(entry)
    return 0


def _read(container: Container, values: Values, parent: int = 0) -> Iterator[LogLine]:
    """The entries; parent: a process without which following ends, too."""
    return logs.read(
        container,
        follow=values.flag("follow"),
        tail=_count(values.maybe("tail")),
        since_ns=clock.parse_point(values.text("since")) if values.text("since") else None,
        until_ns=clock.parse_point(values.text("until")) if values.text("until") else None,
        running=lambda: parent in (0, os.getppid()) and more_may_come(container),
    )


def _printer(
    container: Container, values: Values, number: int, *, several: bool
) -> Callable[[LogLine], None]:
    """What writes an entry: with its time, details and container before it if they are wanted."""
    who = (container.name if values.flag("names") else container.id[:12]) if several else ""
    if who and values.flag("color"):
        who = f"\033[{31 + number % 6}m{who}\033[0m"
    details = _details(container) if values.flag("details") else ""
    within: set[int] = set()

    def show(entry: LogLine) -> None:
        fd = 2 if entry["stream"] == "stderr" else 1
        time = entry["time"] if values.flag("timestamps") else ""
        words = [word for word in (who, time, details) if word] if fd not in within else []
        text = " ".join([*words, entry["log"]])
        within.discard(fd) if text.endswith("\n") else within.add(fd)
        attach.write_all(fd, memoryview(text.encode("utf-8", "surrogatepass")))

    return show


def _details(container: Container) -> str:
    """`KEY=VALUE,…` for what --log-opt labels= and env= name, as Docker's logs --details."""
    from urllib.parse import quote

    config, log = container.record["config"], container.record["log"]
    variables = dict(entry.partition("=")[::2] for entry in config["env"])
    found = {
        **{k: config["labels"][k] for k in log["labels"] if k in config["labels"]},
        **{k: variables[k] for k in log["env"] if k in variables},
        **({"tag": log["tag"]} if log["tag"] else {}),
    }
    return ",".join(f"{quote(key)}={quote(found[key])}" for key in sorted(found))


def _follow(
    found: list[Container],
    prints: list[Callable[[LogLine], None]],
    values: Values,
) -> None:
    """Several containers at once: each in a process of its own, until all have ended."""
    children = []
    own = os.getpid()
    for container, show in zip(found, prints, strict=True):
        pid = os.fork()
        if pid == 0:
            try:
                for entry in _read(container, values, own):
                    show(entry)
            except BrokenPipeError:
                os._exit(1)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def _count(text: str | None) -> int | None:
    if text is None or text == "all":
        return None
    return None if text == "-1" else int(text)
