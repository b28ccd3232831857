"""crunpy rm."""

from __future__ import annotations

from crun_py import lifecycle, state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each
from crun_py.errors import CorruptState, InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-f --force", "flag", "Kill it first if it runs; what is not there is no error", ""),
    ("-v --volumes", "flag", "Remove its anonymous volumes too", ""),
    ("-a --all", "flag", "Remove all containers", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Remove and print each name."""
    names = arguments
    if values["all"]:
        names = state.ids(context.paths)
    elif not names:
        raise InvalidArgument("removing: no container given", hint="names, or --all")
    found = {}
    for name in names:
        try:
            found[name] = state.resolve(context.paths, name)
        except (NotFound, InvalidArgument):
            continue  # reported, or with -f ignored, below
    if found:
        context.enter()

    def act(name: str) -> None:
        if name not in found:
            if not values["force"]:
                state.resolve(context.paths, name)
            return
        try:
            container = state.load(context.paths, found[name])
        except CorruptState:
            if not values["force"]:
                raise
            lifecycle.remove_broken(context.paths, found[name])
        else:
            lifecycle.remove(container, force=values["force"], anonymous_volumes=values["volumes"])
        write(name)

    return each(names, act)
