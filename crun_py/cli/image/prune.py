"""crunpy image prune."""

from __future__ import annotations

from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.engine import image_removal
from crun_py.engine.context import Context
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.image import PrunedImages
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-a --all", "flag", "All images without a container, not only dangling ones", ""),
    ("--external", "flag", "Always so: nobody else has containers of this store", ""),
    ("-f --force", "flag", "Do not ask", ""),
    ("--dry-run", "flag", "Only say what would be removed", ""),
    ("--filter", "list", "Only some: until=, label=, label!=", "KEY=VALUE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Ask, remove, and print docker's list and the space won."""
    dry_run = values.flag("dry_run")
    if not dry_run and not values.flag("force") and not confirmed(warning(values)):
        return 0
    pruned = image_removal.prune(
        context, values.texts("filter"), everything=values.flag("all"), dry_run=dry_run
    )
    tell(pruned, dry_run=dry_run)
    return 0


def warning(values: Values) -> str:
    """What is said before."""
    what = "images without at least one container associated to them"
    what = what if values.flag("all") else "dangling images"
    return f"WARNING! This will remove all {what}."


def tell(pruned: PrunedImages, *, dry_run: bool = False) -> None:
    """Say what was removed, or with `dry_run` would be."""
    if pruned.parts:
        lines = [f"{part.action}: {part.what}" for part in pruned.parts]
        done = "Would delete" if dry_run else "Deleted"
        write("\n".join([f"{done} Images:", *lines, ""]))
    won = "reclaimable" if dry_run else "reclaimed"
    write(f"Total {won} space: {human_size(pruned.freed_bytes)}")
