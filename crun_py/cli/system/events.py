"""crunpy events."""

from __future__ import annotations

import sys

from crun_py import clock, events, jsonfile
from crun_py.cli import table
from crun_py.engine import system
from crun_py.engine.context import Context
from crun_py.show.struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.model.event import Event
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("--since", "value", "From a time, or a span ago (42m)", "TIME"),
    ("--until", "value", "Up to a time, or a span ago", "TIME"),
    ("-f --filter", "list", "container=, event=, image=, label=, type=, volume=", "KEY=VALUE"),
    ("--format", "value", "A Go template, or json", "FORMAT"),
    ("--stream", "value", "Wait for what comes (true)", "BOOL"),
    ("--no-trunc", "switch", "Whole ids (true)", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print events as they come; those of the past with --since."""
    now = clock.parse_point("0s")
    until = clock.parse_point(values.text("until")) if values.text("until") else None
    stream = (values.text("stream") or "true").lower() in ("true", "1", "t")
    since = clock.parse_point(values.text("since")) if values.text("since") else None
    found = system.events(
        context,
        since_ns=0 if since is None and not stream else since,
        until_ns=until,
        follow=stream and (until is None or until > now),
        filters=values.texts("filter"),
    )
    tell(values, found)
    return 0


def tell(values: Values, found: Iterable[Event]) -> None:
    """Print events as they come, as the options say."""
    template = values.maybe("format")
    for event in found:
        if template in ("json", "{{json .}}"):
            text = jsonfile.dumps(events.document(event))
        elif template:
            text = table.fill(template, Struct(events.document(event)))
        else:
            text = events.line(event, cut=values.switch("no_trunc") is False)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
