"""crunpy pod exists."""

from __future__ import annotations

from crun_py.engine import pods
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "POD"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """0 when it is there, 1 when not; prints nothing (podman-pod-exists(1))."""
    return 0 if pods.exists(context, arguments[0]) else 1
