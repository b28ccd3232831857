"""crunpy manifest remove."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "LIST IMAGE"
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Take an image, by name or digest, from the list; prints the list's digest."""
    from crun_py.oci.lists import Lists

    write(Lists(context.paths).remove_entry(arguments[0], arguments[1]))
    return 0
