"""crunpy volume create."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine import volumes
from crun_py.engine.context import Context
from crun_py.options import volume_options
from crun_py.options.environment import labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[NAME]"
OPTIONS = (
    ("-l --label", "list", "Set a label", "KEY=VALUE"),
    ("-d --driver", "value", "local, which is the only one", "DRIVER"),
    ("-o --opt", "list", "type=bind|tmpfs, device=PATH, o=MOUNT,OPTIONS", "KEY=VALUE"),
    ("--name", "value", "", "NAME"),
    ("--ignore", "flag", "Accepted: one that is there is no error", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Create, if it is not there, and print the name."""
    name = volumes.create(
        context,
        arguments[0] if arguments else values.text("name"),
        labels=labels(values.texts("label"), "label"),
        options=volume_options.parse(values.texts("opt")),
        driver=values.text("driver") or "local",
    )
    write(name)
    return 0
