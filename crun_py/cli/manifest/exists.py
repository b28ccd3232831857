"""crunpy manifest exists."""

from __future__ import annotations

from crun_py.engine import manifests
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "LIST"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Status 0 when the list is in the store, 1 when it is not; prints nothing."""
    return 0 if manifests.exists(context, arguments[0]) else 1
