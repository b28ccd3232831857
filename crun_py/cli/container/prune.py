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
    ("--dry-run", "flag", "Only say what would be removed", ""),
    ("--filter", "list", "until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]", "KEY=VALUE"),
)
WARNING = "WARNING! This will remove all stopped containers."


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove all containers that do not run, and tell which."""
    dry_run = values.flag("dry_run")
    if not dry_run and not values.flag("force") and not confirmed(WARNING):
        return 0
    tell(containers.prune(context, values.texts("filter"), dry_run=dry_run), dry_run=dry_run)
    return 0


def tell(pruned: Pruned, *, dry_run: bool = False) -> None:
    """Say what was removed, or with `dry_run` would be."""
    if pruned.names:
        done = "Would delete" if dry_run else "Deleted"
        write("\n".join([f"{done} Containers:", *pruned.names, ""]))
    won = "reclaimable" if dry_run else "reclaimed"
    write(f"Total {won} space: {human_size(pruned.freed_bytes)}")
