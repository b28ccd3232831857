"""crunpy mount: show a container's root file system at a path of the host."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.engine import files, selection
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "Mount all containers", ""),
    ("-l --latest", "flag", "Mount the container made last", ""),
    ("--format", "value", "json", "FORMAT"),
    ("--no-trunc --notruncate", "flag", "List whole ids", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the path of each; without a container, list those that are mounted."""
    if values.maybe("format") not in (None, "json"):
        raise InvalidArgument(f"format {values.text('format')!r}: not known", hint="known: json")
    files.require_mounts("mount")
    names = list(arguments)
    if values.flag("all"):
        names += selection.every(context)
    elif values.flag("latest"):
        names += selection.every(context)[:1]
    elif not names:
        _list(context, values.maybe("format"), whole=values.flag("no_trunc"))
        return 0

    def act(name: str) -> str:
        path = files.mount(context, name)
        return path if len(names) == 1 else f"{name} {path}"

    return each(names, act)


def _list(context: Context, form: str | None, *, whole: bool) -> None:
    """Print the containers that are mounted."""
    shown = files.mounted(context)
    if form:
        rows = [{"id": m.id, "Names": [*m.names], "mountpoint": m.mountpoint} for m in shown]
        write(jsonfile.dumps(rows, indent=1))
        return
    for one in shown:
        write(f"{one.id if whole else one.id[:12]} {one.mountpoint}")
