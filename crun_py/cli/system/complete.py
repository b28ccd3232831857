"""crunpy __complete: what the shells' completion scripts ask."""

from __future__ import annotations

from crun_py.cli import fast
from crun_py.cli.output import write
from crun_py.cli.verbs import GROUPS, VERBS
from crun_py.engine.context import Context
from crun_py.show import completion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[WORD...]"
MIXED = False
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a line per candidate for the last word."""
    for word, text in completion.candidates(context.paths, arguments, GROUPS, VERBS, fast.load):
        write(f"{word}\t{text}")
    return 0
