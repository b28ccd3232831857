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
    ("--dry-run", "flag", "Only say what would be removed", ""),
    ("--filter", "list", "until=, label=, label!=, all=", "KEY=VALUE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove the volumes that no container has, and tell which."""
    volumes.check_filters(values.texts("filter"))  # refused before anything is asked
    dry_run = values.flag("dry_run")
    if not dry_run and not values.flag("force") and not confirmed(warning(values)):
        return 0
    tell(
        volumes.prune(
            context, values.texts("filter"), everything=values.flag("all"), dry_run=dry_run
        ),
        dry_run=dry_run,
    )
    return 0


def warning(values: Values) -> str:
    """What is said before."""
    which = "all" if values.flag("all") else "anonymous"
    return f"WARNING! This will remove {which} local volumes not used by at least one container."


def tell(pruned: Pruned, *, dry_run: bool = False) -> None:
    """Say what was removed, or with `dry_run` would be."""
    if pruned.names:
        done = "Would delete" if dry_run else "Deleted"
        write("\n".join([f"{done} Volumes:", *pruned.names, ""]))
    won = "reclaimable" if dry_run else "reclaimed"
    write(f"Total {won} space: {human_size(pruned.freed_bytes)}")
