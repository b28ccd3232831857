"""crunpy volume prune."""

from __future__ import annotations

from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.engine import volumes
from crun_py.engine.context import Context
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = ""
OPTIONS = (
    ("-a --all", "flag", "Named volumes too, not only anonymous ones", ""),
    ("-f --force", "flag", "Do not ask", ""),
    ("--filter", "list", "until=, label=, label!=", "KEY=VALUE"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Remove the volumes that no container has, and tell which."""
    which = "all" if values["all"] else "anonymous"
    warning = f"WARNING! This will remove {which} local volumes not used by at least one container."
    volumes.check_filters(values["filter"])  # refused before anything is asked
    if not values["force"] and not confirmed(warning):
        return 0
    pruned = volumes.prune(context, values["filter"], everything=values["all"])
    if pruned.names:
        write("\n".join(["Deleted Volumes:", *pruned.names, ""]))
    write(f"Total reclaimed space: {human_size(pruned.freed_bytes)}")
    return 0
