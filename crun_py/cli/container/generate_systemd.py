"""crunpy generate systemd."""

from __future__ import annotations

import os

from crun_py import jsonfile, outfile
from crun_py.cli.container.stop import patience
from crun_py.cli.itself import program
from crun_py.cli.output import write
from crun_py.engine import units
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.model.unit import UnitOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "CONTAINER"
OPTIONS = (
    ("-n --name", "flag", "Use the container's name instead of its id", ""),
    (
        "--template",
        "flag",
        "One unit for many containers, started as NAME@INSTANCE; makes them anew",
        "",
    ),
    ("--new", "flag", "Make the container anew at each start, and remove it at its end", ""),
    ("-f --files", "flag", "Write the unit to a file here and print its path", ""),
    ("-t --stop-timeout --time", "value", "Seconds until SIGKILL", "SECONDS"),
    ("--start-timeout", "value", "Seconds that a start may take", "SECONDS"),
    ("--restart-policy", "value", "systemd's Restart= (on-failure)", "POLICY"),
    ("--restart-sec", "value", "Seconds between restarts", "SECONDS"),
    ("--container-prefix", "value", "What the unit's name begins with (container)", "TEXT"),
    ("--separator", "value", "What comes between that and the name (-)", "TEXT"),
    ("--pod-prefix", "value", "", "TEXT"),
    ("--no-header", "flag", "Without the comment at the top", ""),
    ("--after", "list", "A unit to start after", "UNIT"),
    ("--requires", "list", "A unit that must be there", "UNIT"),
    ("--wants", "list", "A unit that should be there", "UNIT"),
    ("-e --env", "list", "A variable for the commands of the unit", "KEY=VALUE"),
    ("--format", "value", "json: the units by their names", "FORMAT"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a unit that starts and stops the container."""
    if values.maybe("format") not in (None, "json"):
        raise InvalidArgument(f"format {values.text('format')!r}: not json")
    unit = units.unit(context, arguments[0], options_of(values), program=program())
    text = unit.text
    if values.flag("files"):
        path = f"{unit.name}.service"
        outfile.write(path, f"{text}\n".encode())
        text = path
    write(jsonfile.dumps({unit.name: text}) if values.text("format") else text)
    return 0


def options_of(values: Values) -> UnitOptions:
    """What the options say of the unit."""
    prefix, separator = values.maybe("container_prefix"), values.maybe("separator")
    return UnitOptions(
        by_name=values.flag("name"),
        new=values.flag("new"),
        template=values.flag("template"),
        stop_timeout_s=patience(values.maybe("stop_timeout")),
        start_timeout_s=patience(values.maybe("start_timeout")),
        restart_policy=values.text("restart_policy"),
        restart_delay_s=patience(values.maybe("restart_sec")),
        prefix="container" if prefix is None else prefix,
        separator="-" if separator is None else separator,
        header=not values.flag("no_header"),
        after=tuple(values.texts("after")),
        requires=tuple(values.texts("requires")),
        wants=tuple(values.texts("wants")),
        environment=tuple(line for text in values.texts("env") for line in _variables(text)),
    )


def _variables(text: str) -> list[str]:
    """KEY=VALUE as it is; KEY and KEY* alone: those that we have."""
    if "=" in text:
        return [text]
    own = os.environ
    if text.endswith("*"):
        return [f"{key}={own[key]}" for key in sorted(own) if key.startswith(text[:-1])]
    return [f"{text}={own[text]}"] if text in own else []
