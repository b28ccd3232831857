"""crunpy export: a container's files as a tar archive."""

from __future__ import annotations

import sys

from crun_py import outfile, state
from crun_py.container import commit, inside
from crun_py.engine.context import Context
from crun_py.oci import transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER"
OPTIONS = (("-o --output", "value", "Write to a file instead of standard output", "FILE"),)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Write the archive."""
    path = values["output"]
    if not path:
        transport.refuse_terminal(1, "exporting", "-o")
    container = state.find(context.paths, arguments[0])
    if not path:
        inside.become_root(container)
        commit.export(container, sys.stdout.buffer)
        return 0
    with outfile.Replaced(path) as fd, open(fd, "wb", closefd=False) as sink:
        inside.become_root(container)
        commit.export(container, sink)
    return 0
