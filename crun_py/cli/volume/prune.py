"""crunpy volume prune."""

from __future__ import annotations

from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.engine import volumes
from crun_py.engine.context import Context
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.pruned import Pruned
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-a --all", "flag", "Named volumes too, not only anonymous ones", ""),
    ("-f --force", "flag", "Do not ask", ""),
    ("--filter", "list", "until=, label=, label!=, all=", "KEY=VALUE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove the volumes that no container has, and tell which."""
    volumes.check_filters(values.texts("filter"))  # refused before anything is asked
    if not values.flag("force") and not confirmed(warning(values)):
        return 0
    tell(volumes.prune(context, values.texts("filter"), everything=values.flag("all")))
    return 0


def warning(values: Values) -> str:
    """What is said before."""
    which = "all" if values.flag("all") else "anonymous"
    return f"WARNING! This will remove {which} local volumes not used by at least one container."


def tell(pruned: Pruned) -> None:
    """Say what was removed."""
    if pruned.names:
        write("\n".join(["Deleted Volumes:", *pruned.names, ""]))
    write(f"Total reclaimed space: {human_size(pruned.freed_bytes)}")
