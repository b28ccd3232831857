"""crunpy generate systemd."""

from __future__ import annotations

from crun_py import jsonfile, outfile, state
from crun_py.cli.output import write
from crun_py.cli.stop import patience
from crun_py.container import units
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER"
OPTIONS = (
    ("-n --name", "flag", "Use the container's name instead of its id", ""),
    ("--new", "flag", "Make the container anew at each start, and remove it at its end", ""),
    ("-f --files", "flag", "Write the unit to a file here and print its path", ""),
    ("-t --stop-timeout --time", "value", "Seconds until SIGKILL", "SECONDS"),
    ("--start-timeout", "value", "Seconds that a start may take", "SECONDS"),
    ("--restart-policy", "value", "systemd's Restart= (on-failure)", "POLICY"),
    ("--restart-sec", "value", "Seconds between restarts", "SECONDS"),
    ("--container-prefix", "value", "What the unit's name begins with (container)", "TEXT"),
    ("--separator", "value", "What comes between that and the name (-)", "TEXT"),
    ("--no-header", "flag", "Without the comment at the top", ""),
    ("--after", "list", "A unit to start after", "UNIT"),
    ("--requires", "list", "A unit that must be there", "UNIT"),
    ("--wants", "list", "A unit that should be there", "UNIT"),
    ("-e --env", "list", "A variable for the commands of the unit", "KEY=VALUE"),
    ("--format", "value", "json: the units by their names", "FORMAT"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print a unit that starts and stops the container."""
    patience(values["stop_timeout"])
    if values["format"] not in (None, "json"):
        raise InvalidArgument(f"format {values['format']!r}: not json")
    container = state.find(context.paths, arguments[0])
    name, text = units.service_name(container, values), units.service(container, values)
    if values["files"]:
        path = f"{name}.service"
        outfile.write(path, f"{text}\n".encode())
        text = path
    write(jsonfile.dumps({name: text}) if values["format"] else text)
    return 0
