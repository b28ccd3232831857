"""crunpy rename."""

from __future__ import annotations

from crun_py.engine import containers
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER NAME"
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Rename; prints nothing."""
    if len(arguments) != 2:
        raise InvalidArgument("renaming: a container and its new name are needed")
    containers.rename(context, *arguments)
    return 0
