"""crunpy system connection default."""

from __future__ import annotations

from crun_py.remote import connections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "NAME"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Choose it; prints nothing."""
    connections.use(arguments[0])
    return 0
