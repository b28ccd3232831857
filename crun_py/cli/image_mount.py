"""crunpy image mount: show an image's files at a path of the host, read-only."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.container import mounts
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.oci.intake import own
from crun_py.oci.store import ImageStore
from crun_py.show import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[IMAGE...]"
OPTIONS = (
    ("-a --all", "flag", "Mount all images", ""),
    ("--format", "value", "json", "FORMAT"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print the path of each; without an image, list those that are mounted."""
    if values["format"] not in (None, "json"):
        raise InvalidArgument(f"format {values['format']!r}: not known", hint="known: json")
    mounts.require_namespace("image mount")
    store = ImageStore(context.paths)
    names = list(arguments)
    if values["all"]:
        names += [image.id for image in store.list()]
    elif not names:
        shown = [i for i in store.list() if images.is_mounted(context.paths, i)]
        where = {i.id: images.mount_point(context.paths, i) for i in shown}
        if values["format"]:
            rows = [
                {"id": i.id, "Repositories": i.familiar_names, "mountpoint": where[i.id]}
                for i in shown
            ]
            write(jsonfile.dumps(rows, indent=1))
            return 0
        for image in shown:
            write(f"{(image.familiar_names or [image.id[:12]])[0]} {where[image.id]}")
        return 0

    def act(name: str) -> None:
        path = images.show(context.paths, own(context.paths, store.find(name)))
        write(path if len(names) == 1 else f"{name} {path}")

    return each(names, act)
