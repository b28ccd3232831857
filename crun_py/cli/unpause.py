"""crunpy unpause."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each_apart, named
from crun_py.cli.stop import ids_in
from crun_py.container import control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "All paused containers", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("-f --filter", "list", "Those that `ps` would show with this filter", "KEY=VALUE"),
    ("--cidfile", "list", "Those whose ids are in these files", "FILE"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Let go on and print each name."""

    def act(name: str) -> None:
        control.pause(state.find(context.paths, name), False)
        write(name)

    names = named(
        context,
        arguments + ids_in(values["cidfile"]),
        values["all"],
        {"paused"},
        latest=values["latest"],
        filters=values["filter"],
    )
    return each_apart(names, act)
