"""crunpy system renumber."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Nothing: a lock is a file of the object's own (flock(2)), and has no number."""
    return 0
