"""crunpy logs."""

from __future__ import annotations

from crun_py import attach, logs, state
from crun_py.cli.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER"
OPTIONS = (
    ("-f --follow", "flag", "Go on with what comes, until the container ends", ""),
    ("-n --tail", "value", "Only so many of the last lines (all)", "N"),
    ("-t --timestamps", "flag", "Begin each line with its time", ""),
    ("--since", "value", "From a time, or a span ago (42m)", "TIME"),
    ("--until", "value", "Up to a time, or a span ago", "TIME"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print the container's output, its two streams to ours."""
    container = state.find(context.paths, arguments[0])
    for entry in logs.read(
        container,
        follow=values["follow"],
        tail=_count(values["tail"]),
        since_ns=_time(values["since"]),
        until_ns=_time(values["until"]),
    ):
        text = entry["log"]
        if values["timestamps"]:
            text = f"{entry['time']} {text}"
        fd = 2 if entry["stream"] == "stderr" else 1
        attach.write_all(fd, memoryview(text.encode("utf-8", "surrogatepass")))
    return 0


def _count(text: str | None) -> int | None:
    if text is None or text == "all":
        return None
    try:
        value = int(text)
    except ValueError:
        raise InvalidArgument(f"tail {text!r}: not a number or all") from None
    return None if value < 0 else value


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    from crun_py import clock

    return clock.parse_point(text)
