"""crunpy system prune."""

from __future__ import annotations

import time

from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.clock import parse_point
from crun_py.container import prune
from crun_py.engine.context import Context
from crun_py.oci import usage
from crun_py.oci.store import ImageStore
from crun_py.show import images
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = ""
OPTIONS = (
    ("-a --all", "flag", "All images without a container, not only dangling ones", ""),
    ("--volumes", "flag", "Anonymous volumes without a container too", ""),
    ("-f --force", "flag", "Do not ask", ""),
    ("--filter", "list", "Only some: until=, label=, label!=", "KEY=VALUE"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Ask, remove, and print docker's lists and the space won."""
    prune.parse(values["filter"])  # refused before anything is asked
    if not values["force"] and not confirmed(_warning(values)):
        return 0
    context.enter()
    paths, filters = context.paths, values["filter"]
    pruned = prune.containers(paths, filters)
    won = pruned.freed_bytes
    _list("Deleted Containers:", [*pruned.names])
    if values["volumes"]:
        removed, size = prune.volumes(paths, filters)
        won += size
        _list("Deleted Volumes:", removed)
    before = usage.bytes_on_disk(paths)
    lines = images.prune(
        ImageStore(paths),
        everything=values["all"],
        filters=filters,
        in_use=images.users(paths),
    )
    _list("Deleted Images:", [line[0].lower() + line[1:] for line in lines])
    won += max(0, before - usage.bytes_on_disk(paths))
    if not any(text.startswith("label") for text in filters):
        from crun_py.build import keep

        gone, size = keep.prune(paths, older_s=_age(filters), idle=not values["all"])
        won += size
        _list("Deleted build cache objects:", [one.name[:25] for one in gone])
    write(f"Total reclaimed space: {human_size(won)}")
    return 0


def _warning(values: dict[str, Any]) -> str:
    which = "images without at least one container associated to them"
    what = [
        "all stopped containers",
        *(["all anonymous volumes not used by at least one container"] * values["volumes"]),
        f"all {which}" if values["all"] else "all dangling images",
        "all build cache" if values["all"] else "unused build cache",
    ]
    return "WARNING! This will remove:\n" + "".join(f"  - {line}\n" for line in what)


def _age(filters: list[str]) -> float:
    """How many seconds ago `until=` is; 0 without."""
    texts = [text.partition("=")[2] for text in filters if text.startswith("until=")]
    return max((time.time() - parse_point(text) / 1e9 for text in texts), default=0)


def _list(heading: str, lines: list[str]) -> None:
    if lines:
        write("\n".join([heading, *lines, ""]))
