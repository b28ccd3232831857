"""crunpy cleanup: what a monitor becomes when its container has ended."""

from __future__ import annotations

from crun_py import lifecycle, state
from crun_py.cli.context import Context
from crun_py.cli.each import each
from crun_py.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER..."
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Clean up; a container that is gone already is no error."""
    context.enter()

    def act(name: str) -> None:
        try:
            container = state.find(context.paths, name)
        except NotFound:
            return
        lifecycle.cleanup(container)

    return each(arguments, act)
