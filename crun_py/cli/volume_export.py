"""crunpy volume export: what a volume holds, as a tar archive."""

from __future__ import annotations

import sys

from crun_py import outfile
from crun_py.cli.each import each
from crun_py.container import volume_archive
from crun_py.engine.context import Context
from crun_py.oci import transport
from crun_py.show import volume_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "VOLUME"
OPTIONS = (("-o --output", "value", "Write to a file instead of standard output", "FILE"),)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Write the archive."""
    path = values["output"]
    if not path:
        transport.refuse_terminal(1, "exporting", "-o")

    def act(text: str) -> None:
        name = volume_list.resolve(context.paths, text)
        if not path:
            context.enter()
            volume_archive.export(context.paths, name, sys.stdout.buffer.write)
            sys.stdout.buffer.flush()
            return
        with outfile.Replaced(path) as fd, open(fd, "wb", closefd=False) as sink:
            context.enter()
            volume_archive.export(context.paths, name, sink.write)

    return each(arguments, act, 1)
