"""crunpy tag."""

from __future__ import annotations

from crun_py.engine import images
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "IMAGE NAME..."
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Give the image or manifest list further names; prints nothing."""
    for name in arguments[1:]:
        images.tag(context, arguments[0], name)
    return 0
