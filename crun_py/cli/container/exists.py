"""crunpy container exists."""

from __future__ import annotations

from crun_py.engine import containers
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "CONTAINER"
OPTIONS = (("--external", "flag", "", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """0 when it is there, 1 when not; prints nothing (podman-container-exists(1))."""
    return 0 if containers.exists(context, arguments[0]) else 1
