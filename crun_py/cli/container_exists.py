"""crunpy container exists."""

from __future__ import annotations

from crun_py import state
from crun_py.engine.context import Context
from crun_py.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER"
OPTIONS = (("--external", "flag", "", ""),)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """0 when it is there, 1 when not; prints nothing (podman-container-exists(1))."""
    try:
        state.resolve(context.paths, arguments[0])
    except NotFound:
        return 1
    return 0
