"""crunpy explain create: what `create` with the same words would make."""

from __future__ import annotations

from crun_py.cli.container import create, explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = create.ARGUMENTS
MIXED = False
OPTIONS = (*create.OPTIONS, *explain.OPTIONS)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Explain; nothing is made, pulled or taken."""
    return explain.show(values, arguments, context)
