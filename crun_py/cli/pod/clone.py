"""crunpy pod clone."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine import pod_clone
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "POD [NAME]"
OPTIONS = (
    ("-n --name", "value", "Name of the new pod (POD-clone)", "NAME"),
    ("--start", "flag", "Let the new pod run", ""),
    ("--destroy", "flag", "Remove the other one, also if it runs", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Make a pod like another one, and print its id."""
    if values.text("name") and len(arguments) > 1:
        raise InvalidArgument("cannot specify --name and NAME at the same time")
    name = arguments[1] if len(arguments) > 1 else values.text("name")
    start, destroy = values.flag("start"), values.flag("destroy")
    write(pod_clone.clone(context, arguments[0], name, start=start, destroy=destroy))
    return 0
