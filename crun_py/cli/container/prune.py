"""crunpy container prune."""

from __future__ import annotations

from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.engine import containers
from crun_py.engine.context import Context
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.pruned import Pruned
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-f --force", "flag", "Do not ask", ""),
    ("--filter", "list", "until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]", "KEY=VALUE"),
)
WARNING = "WARNING! This will remove all stopped containers."


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove all containers that do not run, and tell which."""
    if not values.flag("force") and not confirmed(WARNING):
        return 0
    tell(containers.prune(context, values.texts("filter")))
    return 0


def tell(pruned: Pruned) -> None:
    """Say what was removed."""
    if pruned.names:
        write("\n".join(["Deleted Containers:", *pruned.names, ""]))
    write(f"Total reclaimed space: {human_size(pruned.freed_bytes)}")
