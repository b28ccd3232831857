"""crunpy unmount: undo `crunpy mount`."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.engine import files, selection
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "Unmount all containers", ""),
    ("-f --force", "flag", "What is not mounted is no error", ""),
    ("-l --latest", "flag", "Unmount the container made last", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Unmount and print each name."""
    files.require_mounts("unmount")
    names = list(arguments)
    if values.flag("latest"):
        names += selection.every(context)[:1]
    if values.flag("all"):
        names += [one.id for one in files.mounted(context)]
    elif not names:
        raise InvalidArgument("unmounting: no container given", hint="names, or --all")

    def act(name: str) -> str:
        files.unmount(context, name, missing_ok=values.flag("force"))
        return name

    return each(names, act)
