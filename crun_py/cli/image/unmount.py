"""crunpy image unmount: undo `crunpy image mount`."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.engine import files, images
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[IMAGE...]"
OPTIONS = (
    ("-a --all", "flag", "Unmount all images", ""),
    ("-f --force", "flag", "What is not mounted is no error", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Unmount and print each image's id."""
    files.require_mounts("image unmount")
    names = list(arguments)
    if values.flag("all"):
        names += [one.id for one in images.mounted(context)]
    elif not names:
        raise InvalidArgument("unmounting: no image given", hint="names, or --all")
    return each(names, lambda name: images.unmount(context, name, missing_ok=values.flag("force")))
