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
    ("--color", "flag", "The lines of each container in a colour of its own", ""),
    ("-l --latest", "flag", "The container created last", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the output of containers, its two streams to ours; several ones by time, each line
    behind its container's id."""
    names = named(context, arguments, False, latest=values.flag("latest"))
    found = [state.find(context.paths, name) for name in names]
    tell(values, [source(container, values) for container in found])
    return 0


class Source:
    """Where entries are from: a container's name, id and details (`logs --details`), and what reads
    them, given a process without which following ends, too (0: none)."""

    def __init__(
        self, name: str, container_id: str, details: str, read: Callable[[int], Iterator[LogLine]]
    ) -> None:
        self.name, self.id, self.details, self.read = name, container_id, details, read


def tell(values: Values, sources: list[Source], *, several: bool = False) -> None:
    """Print what sources give.  several: who says it is told, also where there is one source."""
    several = several or len(sources) > 1
    prints = [_printer(source, values, n, several=several) for n, source in enumerate(sources)]
    if len(sources) == 1:
        for entry in sources[0].read(0):
            prints[0](entry)
    elif values.flag("follow"):
        _follow(sources, prints)
    else:
        import heapq
        from itertools import repeat

        streams = [
            zip(repeat(show), source.read(0)) for source, show in zip(sources, prints, strict=True)
        ]
        for show, entry in heapq.merge(*streams, key=lambda item: item[1]["time"]):
            show(entry)


def source(container: Container, values: Values) -> Source:
    """What prints the entries of a container, as the options want them."""
    details = _details(container) if values.flag("details") else ""
    return Source(
        container.name, container.id, details, lambda parent: _read(container, values, parent)
    )


def _read(container: Container, values: Values, parent: int) -> Iterator[LogLine]:
    """The entries; parent: a process without which following ends, too."""
    return logs.read(
        container,
        follow=values.flag("follow"),
        tail=count(values.maybe("tail")),
        since_ns=clock.parse_point(values.text("since")) if values.text("since") else None,
        until_ns=clock.parse_point(values.text("until")) if values.text("until") else None,
        running=lambda: parent in (0, os.getppid()) and more_may_come(container),
    )


_COLOURS = (37, 31, 33, 34, 35, 36, 32)
"""podman's."""


def _printer(
    source: Source, values: Values, number: int, *, several: bool
) -> Callable[[LogLine], None]:
    """What writes an entry: with its time, details and container before it if they are wanted."""
    who = (source.name if values.flag("names") else source.id[:12]) if several else ""
    colour = f"\033[{_COLOURS[number % len(_COLOURS)]}m" if values.flag("color") else ""
    within: set[int] = set()

    def show(entry: LogLine) -> None:
        fd = 2 if entry["stream"] == "stderr" else 1
        time = entry["time"] if values.flag("timestamps") else ""
        words = [word for word in (who, time, source.details) if word] if fd not in within else []
        text = " ".join([*words, entry["log"]])
        within.discard(fd) if text.endswith("\n") else within.add(fd)
        if colour:
            line = text.removesuffix("\n")
            text = f"{colour}{line}\033[0m{text[len(line) :]}"
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


def _follow(sources: list[Source], prints: list[Callable[[LogLine], None]]) -> None:
    """Several containers at once: each in a process of its own, until all have ended."""
    children = []
    own = os.getpid()
    for source, show in zip(sources, prints, strict=True):
        pid = os.fork()
        if pid == 0:
            try:
                for entry in source.read(own):
                    show(entry)
            except BrokenPipeError:
                os._exit(1)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


def count(text: str | None) -> int | None:
    """--tail as a number, None for all."""
    if text is None or text == "all":
        return None
    return None if text == "-1" else int(text)
