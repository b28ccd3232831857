"""crunpy oci events."""

from __future__ import annotations

import time

from crun_py import clock, jsonfile
from crun_py.cli.output import write
from crun_py.errors import NotFound
from crun_py.oci_runtime import usage
from crun_py.oci_runtime.state import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "ID"
OPTIONS = (
    ("--interval", "value", "Time between two reports (5s)", "TIME"),
    ("--stats", "flag", "One report, and end", ""),
)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """A line of JSON for each report, until the container ends."""
    container = Container(runtime.root, arguments[0])
    pause_s = clock.parse_span_ms(values.text("interval") or "5s", "interval") / 1000
    while True:
        try:
            found = usage.report(container)
        except NotFound:
            if values.flag("stats"):
                raise
            return 0
        write(jsonfile.dumps({"type": "stats", "id": container.id, "data": found}))
        if values.flag("stats"):
            return 0
        time.sleep(pause_s)
