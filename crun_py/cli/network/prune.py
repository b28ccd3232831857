"""crunpy network prune."""

from __future__ import annotations

from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.engine import networks
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.pruned import Pruned
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-f --force", "flag", "Do not ask", ""),
    ("--filter", "list", "until=, label=, label!=", "KEY=VALUE"),
)
WARNING = "WARNING! This will remove all custom networks not used by at least one container."


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove the networks that no container has, and tell which."""
    if not values.flag("force") and not confirmed(WARNING):
        return 0
    tell(networks.prune(context, values.texts("filter")))
    return 0


def tell(pruned: Pruned) -> None:
    """Say what was removed."""
    if pruned.names:
        write("\n".join(["Deleted Networks:", *pruned.names, ""]))
