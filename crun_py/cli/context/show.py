"""crunpy context show."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.remote import contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print its name."""
    write(contexts.chosen())
    return 0
