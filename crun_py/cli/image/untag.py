"""crunpy untag."""

from __future__ import annotations

from crun_py.engine import images
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "IMAGE [NAME...]"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Take names from an image, all of them when none is given; the image stays."""
    images.untag(context, arguments[0], arguments[1:])
    return 0
