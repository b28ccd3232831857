"""crunpy system connection rename."""

from __future__ import annotations

from crun_py.remote import connections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "NAME NEW"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Rename; prints nothing."""
    connections.rename(*arguments)
    return 0
