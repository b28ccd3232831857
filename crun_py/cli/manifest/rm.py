"""crunpy manifest rm."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.engine import manifests
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "LIST..."
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove lists; the images in them stay where they have names."""
    return each(arguments, lambda name: f"Deleted: {manifests.remove(context, name)}")
