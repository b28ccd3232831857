"""crunpy wait."""

from __future__ import annotations

import time

from crun_py import clock, state
from crun_py.cli.each import each, named
from crun_py.cli.output import write
from crun_py.container import ending, health
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("--condition", "list", "running, paused, exited, healthy, removed, … instead", "STATE"),
    ("-i --interval", "value", "How often to look for a condition (100ms)", "TIME"),
    ("--ignore", "flag", "A container that is not there is no error", ""),
    ("-l --latest", "flag", "The one created last", ""),
)

_CONDITIONS = "created running paused exited restarting healthy unhealthy removed".split()
_ALIASES = {"stopped": "exited", "not-running": "exited", "configured": "created",
            "removing": "removed", "next-exit": "exited"}  # fmt: skip


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Wait for each and print its exit code; -1 where a condition has none."""
    wanted = {_ALIASES.get(word, word) for text in values["condition"] for word in text.split(",")}
    if not wanted <= set(_CONDITIONS):
        raise InvalidArgument(
            f"condition {values['condition'][0]!r}: not known", hint=", ".join(_CONDITIONS)
        )
    interval_s = clock.parse_span_ms(values["interval"] or "100ms", "interval") / 1000

    def act(name: str) -> None:
        try:
            container = state.find(context.paths, name)
        except NotFound:
            if values["ignore"] or "removed" in wanted:
                write("-1")
                return
            raise
        code = until(container, wanted, interval_s) if wanted else ending.wait(container)
        write(str(code))

    return each(named(context, arguments, False, latest=values["latest"]), act)


def until(container: state.Container, wanted: set[str], interval_s: float) -> int:
    """Wait until one of the conditions holds; the exit code of a container that has ended."""
    while True:
        status = container.status()
        if "removed" in wanted and not known(container):
            return -1
        if status.state in wanted or (status.state == "restarting" and "exited" in wanted):
            return -1 if status.running or status.state == "created" else status.exit_code
        if status.running and wanted & {"healthy", "unhealthy"}:
            found = health.current(container)
            if found is None:
                raise InvalidArgument(
                    f"waiting for container {container.name}: it has no health check"
                )
            if found["status"] in wanted:
                return -1
        elif not known(container):
            raise NotFound(f"waiting for container {container.name}: it has been removed")
        time.sleep(interval_s)


def known(container: state.Container) -> bool:
    """Whether the container is still there."""
    return container.id in state.ids(container.paths)
