"""crunpy image unmount: undo `crunpy image mount`."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.container import mounts
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.oci.store import ImageStore
from crun_py.show import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[IMAGE...]"
OPTIONS = (
    ("-a --all", "flag", "Unmount all images", ""),
    ("-f --force", "flag", "What is not mounted is no error", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Unmount and print each image's id."""
    mounts.require_namespace("image unmount")
    store = ImageStore(context.paths)
    names = list(arguments)
    if values["all"]:
        names += [i.id for i in store.list() if images.is_mounted(context.paths, i)]
    elif not names:
        raise InvalidArgument("unmounting: no image given", hint="names, or --all")

    def act(name: str) -> None:
        image = store.find(name)
        if not images.hide(context.paths, image) and not values["force"]:
            raise InvalidArgument(f"unmounting image {name}: it is not mounted")
        write(image.id)

    return each(names, act)
