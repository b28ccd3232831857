"""crunpy stats."""

from __future__ import annotations

import sys
import time

from crun_py import clock, state
from crun_py.cli import table
from crun_py.engine.context import Context
from crun_py.show import processes, stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.state import Container
    from crun_py.values import Values

    Samples = dict[str, stats.Usage]

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "Those that do not run, too", ""),
    ("--no-stream", "flag", "Once, not again and again", ""),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
    ("-i --interval", "value", "Time between two samples (1s)", "TIME"),
    ("--no-trunc", "flag", "Whole ids", ""),
    ("--no-reset", "flag", "Do not clear the screen between samples", ""),
    ("-l --latest", "flag", "The one created last", ""),
)
COLUMNS = (
    ("CONTAINER ID", "ID"),
    ("NAME", "Name"),
    ("CPU %", "CPUPerc"),
    ("MEM USAGE / LIMIT", "MemUsage"),
    ("MEM %", "MemPerc"),
    ("NET I/O", "NetIO"),
    ("BLOCK I/O", "BlockIO"),
    ("PIDS", "PIDs"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a table each second, until interrupted."""
    named = [state.find(context.paths, name) for name in arguments]
    if values.flag("latest"):
        named = [state.latest(context.paths)]
    for container in named:
        if not values.flag("all"):
            processes.running(container, "measuring")

    def shown() -> list[Container]:
        found = named or state.every(context.paths)
        return [c for c in found if values.flag("all") or c.status().running]

    def tabulate(shown: list[Container], before: Samples, after: Samples) -> None:
        _tabulate(values, shown, before, after, idle=values.flag("all"))

    return watch(values, shown, tabulate)


def _tabulate(
    values: Values, shown: list[Container], before: Samples, after: Samples, *, idle: bool
) -> None:
    """Print docker's table."""
    whole = values.flag("no_trunc")
    rows = [
        stats.row(
            stats.used(c, before.get(c.id, after[c.id]), after[c.id]),
            stats.age_ns(c.status().started_at),
            whole=whole,
        )
        if c.id in after
        else stats.no_row(c.id, c.name, whole=whole)
        for c in shown
        if c.id in after or idle
    ]
    table.show(rows, COLUMNS, values.maybe("format"))


def watch(
    values: Values,
    containers: Callable[[], list[Container]],
    tabulate: Callable[[list[Container], Samples, Samples], None],
) -> int:
    """Print a table of what `containers` gives each second, until interrupted.

    tabulate: prints one, of containers and two samples of them."""
    interval_s = clock.parse_span_ms(values.text("interval") or "1s", "interval") / 1000
    before: dict[str, stats.Usage] = {}
    clear = not values.flag("no_reset") and not values.flag("no_stream") and sys.stdout.isatty()
    while True:
        shown = containers()
        if not before:
            before = stats.sample(shown)
            time.sleep(interval_s)
        after = stats.sample(shown)
        if clear:
            sys.stdout.write("\033[2J\033[H")
        tabulate(shown, before, after)
        sys.stdout.flush()
        if values.flag("no_stream"):
            return 0
        before = after
        time.sleep(interval_s)
