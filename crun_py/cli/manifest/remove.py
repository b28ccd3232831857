"""crunpy manifest remove."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine import manifests
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "LIST IMAGE"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Take an image, by name or digest, from the list; prints the list's digest."""
    write(manifests.remove_entry(context, *arguments))
    return 0
