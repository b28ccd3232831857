"""crunpy attach."""

from __future__ import annotations

from crun_py.cli.container.client import client_of
from crun_py.engine import run
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER]"
OPTIONS = (
    ("-l --latest", "flag", "The one created last", ""),
    ("--no-stdin", "flag", "Do not pass standard input on", ""),
    ("--detach-keys", "value", "Keys that leave the container running", "KEYS"),
    ("--sig-proxy", "value", "Pass signals on to the container (true)", "BOOL"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Attach until the container ends; the exit status is the container's."""
    if not arguments and not values.flag("latest"):
        raise InvalidArgument("attaching: no container given", hint="a name, or --latest")
    client = client_of(values, ("stdout", "stderr") if values.flag("no_stdin") else ())
    return run.attached(context, arguments[0] if arguments else "", client)
