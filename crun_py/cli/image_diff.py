"""crunpy image diff: what an image changed since the one below it."""

from __future__ import annotations

from crun_py.cli.diff import show
from crun_py.engine.context import Context
from crun_py.model.files import FileChange
from crun_py.oci.intake import own
from crun_py.oci.store import ImageStore
from crun_py.show import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "IMAGE [BASE]"
OPTIONS = (("--format", "value", "json", "FORMAT"),)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print a line for each change since the other image, or without one in the top layer."""
    store = ImageStore(context.paths)
    context.enter()
    image, *bases = [own(context.paths, store.find(name)) for name in arguments]
    base = bases[0] if bases else None
    found = images.diff(image, base)
    show(tuple(FileChange(kind=kind, path=path) for kind, path in found), values["format"])
    return 0
