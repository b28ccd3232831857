"""crunpy init."""

from __future__ import annotations

from crun_py.cli.each import each_apart
from crun_py.cli.output import write
from crun_py.engine import run
from crun_py.engine.context import Context
from crun_py.engine.selection import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "All containers that were never started", ""),
    ("-l --latest", "flag", "The one created last", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Make everything for a container but do not run its command yet; print each name.

    `start` then lets it run (podman-init(1)).
    """

    def act(name: str) -> None:
        run.init(context, name)
        write(name)

    return each_apart(
        named(context, arguments, values.flag("all"), {"created"}, latest=values.flag("latest")),
        act,
    )
