"""crunpy manifest annotate."""

from __future__ import annotations

from crun_py.cli import manifest_add
from crun_py.cli.output import write
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "LIST IMAGE"
OPTIONS = manifest_add.ABOUT


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Change what the list says of an image; prints the list's digest."""
    from crun_py.oci.lists import Lists

    changes = manifest_add.changes_of(values)
    write(Lists(context.paths).annotate(arguments[0], arguments[1], changes))
    return 0
