"""crunpy untag."""

from __future__ import annotations

from crun_py.engine.context import Context
from crun_py.oci.store import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "IMAGE [NAME...]"
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Take names from an image, all of them when none is given; the image stays."""
    store = ImageStore(context.paths)
    found = store.find_any(arguments[0])
    for name in arguments[1:] or found.names:
        store.untag(name)
    return 0
