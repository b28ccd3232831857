"""crunpy system reset."""

from __future__ import annotations

from crun_py.cli.ask import confirmed
from crun_py.engine import reset
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (("-f --force", "flag", "Do not ask", ""),)

_WHAT = ("containers", "images", "networks", "volumes", "secrets", "build cache")


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Ask, and remove everything."""
    warning = "WARNING! This will remove:\n" + "".join(f"  - all {what}\n" for what in _WHAT)
    if values.flag("force") or confirmed(warning):
        reset.reset(context)
    return 0
