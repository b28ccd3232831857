"""crunpy tag."""

from __future__ import annotations

from crun_py.cli.context import Context
from crun_py.oci.store import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "IMAGE NAME..."
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Give the image further names; prints nothing."""
    store = ImageStore(context.paths)
    image = store.find(arguments[0])
    for name in arguments[1:]:
        store.tag("sha256:" + image.id, name)
    return 0
