"""crunpy container inspect."""

from __future__ import annotations

from crun_py.cli.container import inspect
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-f --format", "value", "A Go template, or json", "FORMAT"),
    ("-l --latest", "flag", "The container created last", ""),
    ("-s --size", "flag", "The sizes of its writable layer and of all its files", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """As `inspect`, of containers only."""
    names = inspect.names(context, arguments, latest=values.flag("latest"))
    return inspect.show(
        context, names, "container", values.text("format"), size=values.flag("size")
    )
