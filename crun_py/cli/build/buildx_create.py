"""crunpy buildx create and use: what scripts begin with; there is one builder, always."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[NAME]"
OPTIONS = (
    ("--use", "flag", "Accepted", ""),
    ("--default", "flag", "Accepted", ""),
    ("--bootstrap", "flag", "Accepted", ""),
    ("--name", "value", "The name that is printed", "NAME"),
    ("--driver", "value", "Accepted", "DRIVER"),
    ("--driver-opt", "list", "Accepted", "OPTION"),
    ("--platform", "list", "Accepted", "PLATFORM"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the builder's name."""
    write(values.text("name") or (arguments[0] if arguments else "default"))
    return 0
