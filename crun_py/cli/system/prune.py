"""crunpy system prune."""

from __future__ import annotations

from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.engine import system, volumes
from crun_py.engine.context import Context
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.model.system import SystemPruned
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-a --all", "flag", "All images without a container, not only dangling ones", ""),
    ("--volumes", "flag", "Anonymous volumes without a container too", ""),
    ("-f --force", "flag", "Do not ask", ""),
    ("--dry-run", "flag", "Only say what would be removed", ""),
    ("--filter", "list", "Only some: until=, label=, label!=", "KEY=VALUE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Ask, remove, and print docker's lists and the space won."""
    volumes.check_filters(values.texts("filter"))  # refused before anything is asked
    dry_run = values.flag("dry_run")
    if not dry_run and not values.flag("force") and not confirmed(warning(values)):
        return 0
    pruned = system.prune(
        context,
        values.texts("filter"),
        everything=values.flag("all"),
        volumes=values.flag("volumes"),
        dry_run=dry_run,
    )
    tell(pruned, dry_run=dry_run)
    return 0


def tell(pruned: SystemPruned, *, dry_run: bool = False) -> None:
    """Say what was removed, or with `dry_run` would be."""
    done = "Would delete" if dry_run else "Deleted"
    _list(f"{done} Pods:", pruned.pods.names)
    _list(f"{done} Containers:", pruned.containers.names)
    _list(f"{done} Networks:", pruned.networks.names)
    _list(f"{done} Volumes:", pruned.volumes.names)
    _list(f"{done} Images:", [f"{part.action}: {part.what}" for part in pruned.images.parts])
    _list(f"{done} build cache objects:", [name[:25] for name in pruned.build_cache.names])
    won = "reclaimable" if dry_run else "reclaimed"
    write(f"Total {won} space: {human_size(pruned.freed_bytes)}")


def warning(values: Values) -> str:
    """What is said before."""
    which = "images without at least one container associated to them"
    what = [
        "all stopped containers, and pods that have ended",
        "all networks not used by at least one container",
        *(["all anonymous volumes not used by at least one container"] * values.flag("volumes")),
        f"all {which}" if values.flag("all") else "all dangling images",
        "all build cache" if values.flag("all") else "unused build cache",
    ]
    return "WARNING! This will remove:\n" + "".join(f"  - {line}\n" for line in what)


def _list(heading: str, lines: Iterable[str]) -> None:
    if shown := [*lines]:
        write("\n".join([heading, *shown, ""]))
