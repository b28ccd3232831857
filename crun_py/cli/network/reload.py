"""crunpy network reload."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.engine import system
from crun_py.engine.context import Context
from crun_py.engine.selection import RUNNING, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "All running containers", ""),
    ("-l --latest", "flag", "The one created last", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Publish the ports of running containers again; print each id."""
    names = named(context, arguments, values.flag("all"), RUNNING, latest=values.flag("latest"))
    return each(names, lambda name: system.reload_network(context, name))
