"""crunpy builder prune: remove what builds keep for the builds to come."""

from __future__ import annotations

from crun_py import quantity
from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values
ARGUMENTS = ""
OPTIONS = (
    ("-a --all", "flag", "Everything (always so unless a filter says otherwise)", ""),
    ("--dry-run", "flag", "Only say what would be removed", ""),
    ("-f --force", "flag", "Do not ask", ""),
    ("--filter", "list", "until=24h: what was not wanted for so long; type=layer|mount", "FILTER"),
    ("--keep-storage --reserved-space", "value", "How much may stay", "SIZE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Prune and say what was won."""
    from crun_py.engine import build

    filters = values.texts("filter")
    text = values.maybe("keep_storage")
    most = quantity.size(text, "keep storage") if text else 0
    build.check_cache_filters(filters)
    dry_run, sure = values.flag("dry_run"), values.flag("force")
    if not dry_run and not sure and not confirmed("WARNING! This will remove all build cache.\n"):
        return 0
    done = build.prune_cache(context, filters, keep_bytes=most, dry_run=dry_run)
    for name in done.names:
        write(name)
    won = "reclaimable" if dry_run else "reclaimed"
    write(f"Total {won} space: {human_size(done.freed_bytes)}")
    return 0
