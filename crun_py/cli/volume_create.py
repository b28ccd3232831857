"""crunpy volume create."""

from __future__ import annotations

from crun_py import events, volumes
from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.errors import Unsupported
from crun_py.options import volume_options
from crun_py.options.environment import labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[NAME]"
OPTIONS = (
    ("-l --label", "list", "Set a label", "KEY=VALUE"),
    ("-d --driver", "value", "local, which is the only one", "DRIVER"),
    ("-o --opt", "list", "type=bind|tmpfs, device=PATH, o=MOUNT,OPTIONS", "KEY=VALUE"),
    ("--name", "value", "", "NAME"),
    ("--ignore", "flag", "Accepted: one that is there is no error", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Create, if it is not there, and print the name."""
    if values["driver"] not in (None, "local"):
        raise Unsupported(f"volume driver {values['driver']!r}: not known", hint="known: local")
    options = volume_options.parse(values["opt"])
    name = arguments[0] if arguments else values["name"] or volumes.new_name()
    context.enter()
    anonymous = not arguments and not values["name"]
    chosen = labels(values["label"], "label")
    with volumes.Filling(context.paths, volumes.new_name()) as stage:
        new = volumes.ensure(
            context.paths, name, stage, None, anonymous=anonymous, labels=chosen, options=options
        )
    if new:
        events.emit(context.paths, "volume", "create", name, {"driver": "local"})
    write(name)
    return 0
