"""crunpy image exists."""

from __future__ import annotations

from crun_py.engine import images
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "IMAGE"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Status 0 when it is in the store, 1 when it is not; prints nothing."""
    return 0 if images.exists(context, arguments[0]) else 1
