"""crunpy image inspect."""

from __future__ import annotations

from crun_py.cli.container import inspect
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "IMAGE..."
OPTIONS = (("-f --format", "value", "A Go template, or json", "FORMAT"),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """As `inspect`, of images only."""
    return inspect.show(context, arguments, "image", values.text("format"))
