"""crunpy pause."""

from __future__ import annotations

from crun_py.cli.each import CHOICE, chosen, each_apart
from crun_py.engine import containers
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "All running containers", ""),
    *CHOICE,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Pause and print each name."""

    def act(name: str) -> str:
        containers.pause(context, name)
        return name

    return each_apart(chosen(context, values, arguments, {"running"}), act)
