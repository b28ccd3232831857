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
    ("--filter", "list", "Only some: until=, label=, label!=", "KEY=VALUE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Ask, remove, and print docker's lists and the space won."""
    volumes.check_filters(values.texts("filter"))  # refused before anything is asked
    if not values.flag("force") and not confirmed(warning(values)):
        return 0
    pruned = system.prune(
        context,
        values.texts("filter"),
        everything=values.flag("all"),
        volumes=values.flag("volumes"),
    )
    tell(pruned)
    return 0


def tell(pruned: SystemPruned) -> None:
    """Say what was removed."""
    _list("Deleted Pods:", pruned.pods.names)
    _list("Deleted Containers:", pruned.containers.names)
    _list("Deleted Networks:", pruned.networks.names)
    _list("Deleted Volumes:", pruned.volumes.names)
    _list("Deleted Images:", [f"{part.action}: {part.what}" for part in pruned.images.parts])
    _list("Deleted build cache objects:", [name[:25] for name in pruned.build_cache.names])
    write(f"Total reclaimed space: {human_size(pruned.freed_bytes)}")


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
