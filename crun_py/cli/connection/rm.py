"""crunpy system connection rm."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.errors import InvalidArgument
from crun_py.remote import connections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "[NAME...]"
OPTIONS = (("-a --all", "flag", "All connections", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove; prints nothing."""
    names = [one.name for one in connections.every()] if values.flag("all") else arguments
    if not names and not values.flag("all"):
        raise InvalidArgument("no connection given", hint="names, or --all")
    return each(names, connections.remove)
