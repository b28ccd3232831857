"""crunpy system resume."""

from __future__ import annotations

from crun_py.cli.each import each_apart
from crun_py.cli.itself import program
from crun_py.cli.output import write
from crun_py.engine import units
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("--print-unit", "flag", "Print a systemd unit that does this at boot", ""),
    ("--stop", "flag", "Before a shutdown: stop them, to be started after the boot", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """After a boot: start what --restart would have kept running, and print the names."""
    if values.flag("print_unit"):
        write(units.unit_for_boot(context, program=program()).text)
        return 0
    if values.flag("stop"):
        running = units.due_at_shutdown(context)
        return each_apart(running, lambda container_id: units.suspend(context, container_id))
    found = units.due_after_boot(context)
    return each_apart(found, lambda container_id: units.resume(context, container_id))
