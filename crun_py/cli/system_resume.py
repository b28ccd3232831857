"""crunpy system resume."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.each import each_apart
from crun_py.cli.output import write
from crun_py.container import lifecycle, restart, units
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = ""
OPTIONS = (("--print-unit", "flag", "Print a systemd unit that does this at boot", ""),)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """After a boot: start what --restart would have kept running, and print the names."""
    if values["print_unit"]:
        write(units.resume(context.paths))
        return 0
    found = [c for c in state.every(context.paths)[::-1] if restart.due_after_boot(c)]

    def act(container_id: str) -> None:
        container = state.load(context.paths, container_id)
        context.enter(*container.modes)
        lifecycle.start(container, rootless=context.rootless)
        write(container.name)

    return each_apart([c.id for c in found], act)
