"""crunpy completion."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.show import completion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "SHELL"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the script for a shell."""
    script = completion.SCRIPTS.get(arguments[0])
    if script is None:
        raise InvalidArgument(
            f"completion for {arguments[0]!r}: not known", hint=", ".join(completion.SCRIPTS)
        )
    write(script.rstrip("\n"))
    return 0
