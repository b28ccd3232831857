"""crunpy buildx du: what builds keep, and how large it is."""

from __future__ import annotations

import time

from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values
ARGUMENTS = ""
OPTIONS = (("--verbose", "flag", "Say more of each", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a line for each, and the sum."""
    from crun_py.build import keep
    from crun_py.clock import ago

    found = keep.things(context.paths)
    rows = [("ID", "TYPE", "SIZE", "LAST ACCESSED")]
    for one in found:
        name = one.text.rpartition(":")[2][:25] if one.kind == "layer" else one.text
        rows.append(
            (
                name,
                one.kind,
                human_size(one.size),
                ago(time.time_ns() - int(one.used * 1e9)) + " ago",
            )
        )
    widths = [max(len(row[n]) for row in rows) for n in range(3)]
    for row in rows:
        write("   ".join([*(row[n].ljust(widths[n]) for n in range(3)), row[3]]))
    write(f"Total:\t{human_size(sum(one.size for one in found))}")
    return 0
