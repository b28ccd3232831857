"""crunpy rename."""

from __future__ import annotations

from crun_py.engine import containers
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "CONTAINER NAME"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Rename; prints nothing."""
    if len(arguments) != 2:
        raise InvalidArgument("renaming: a container and its new name are needed")
    containers.rename(context, *arguments)
    return 0
