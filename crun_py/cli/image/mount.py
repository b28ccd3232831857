"""crunpy image mount: show an image's files at a path of the host, read-only."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.engine import files, images
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[IMAGE...]"
OPTIONS = (
    ("-a --all", "flag", "Mount all images", ""),
    ("--format", "value", "json", "FORMAT"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the path of each; without an image, list those that are mounted."""
    if values.maybe("format") not in (None, "json"):
        raise InvalidArgument(f"format {values.text('format')!r}: not known", hint="known: json")
    files.require_mounts("image mount")
    names = list(arguments)
    if values.flag("all"):
        names += images.ids(context)
    elif not names:
        _list(context, values.maybe("format"))
        return 0

    def act(name: str) -> str:
        path = images.mount(context, name)
        return path if len(names) == 1 else f"{name} {path}"

    return each(names, act)


def _list(context: Context, form: str | None) -> None:
    """Print the images that are mounted."""
    shown = images.mounted(context)
    if form:
        rows = [
            {"id": one.id, "Repositories": [*one.names], "mountpoint": one.mountpoint}
            for one in shown
        ]
        write(jsonfile.dumps(rows, indent=1))
        return
    for one in shown:
        write(f"{(one.names or (one.id[:12],))[0]} {one.mountpoint}")
