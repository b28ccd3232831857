"""crunpy events."""

from __future__ import annotations

import sys

from crun_py import clock, events, jsonfile
from crun_py.cli import table
from crun_py.cli.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = ""
OPTIONS = (
    ("--since", "value", "From a time, or a span ago (42m)", "TIME"),
    ("--until", "value", "Up to a time, or a span ago", "TIME"),
    ("-f --filter", "list", "container=, event=, image=, label=, type=, volume=", "KEY=VALUE"),
    ("--format", "value", "A Go template, or json", "FORMAT"),
    ("--stream", "value", "Wait for what comes (true)", "BOOL"),
    ("--no-trunc", "flag", "Accepted: nothing is cut", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print events as they come; those of the past with --since."""
    now = clock.parse_point("0s")
    until = clock.parse_point(values["until"]) if values["until"] else None
    found = events.read(
        context.paths,
        since_ns=clock.parse_point(values["since"]) if values["since"] else None,
        until_ns=until,
        follow=values["stream"] != "false" and (until is None or until > now),
        wanted=events.matcher(values["filter"]),
    )
    template = values["format"]
    for event in found:
        if template in ("json", "{{json .}}"):
            text = jsonfile.dumps(events.document(event))
        elif template:
            text = table.fill(template, events.document(event))
        else:
            text = events.line(event)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    return 0
