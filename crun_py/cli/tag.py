"""crunpy tag."""

from __future__ import annotations

from crun_py.engine.context import Context
from crun_py.oci.store import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "IMAGE NAME..."
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Give the image or manifest list further names; prints nothing."""
    for name in arguments[1:]:
        ImageStore(context.paths).tag(arguments[0], name)
    return 0
