"""crunpy run: create, start, and stay attached unless -d."""

from __future__ import annotations

from crun_py.cli.container import create
from crun_py.cli.container.client import client_of, descriptors
from crun_py.cli.output import write
from crun_py.engine import run
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = create.ARGUMENTS
MIXED = False
OPTIONS = (
    *create.OPTIONS,
    ("-d --detach", "flag", "Run in the background and print the container id", ""),
    ("--detach-keys", "value", "Keys that leave the container running", "KEYS"),
    ("--sig-proxy", "value", "Pass signals on to the container (true)", "BOOL"),
    ("--preserve-fds", "value", "Pass our descriptors 3 to N+2 on", "N"),
    ("--rmi", "flag", "Remove the image too, when nothing else uses it", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Run; the exit status is the container's."""
    values, defaults = create.with_defaults(values, context)
    # refused before anything is made
    keep = descriptors(values.maybe("preserve_fds"))
    client = client_of(values, tuple(name.lower() for name in values.texts("attach")), keep)
    if values.flag("rmi") and values.flag("detach"):
        raise InvalidArgument("--rmi: conflicts with --detach: nobody is there at its end")
    values = values.with_flag("rm", values.flag("rm") or values.flag("rmi"))
    request, wanted = create.asked(values, arguments, context, defaults)
    subnet = defaults.subnet if defaults else ""
    if values.flag("detach"):
        write(run.run_detached(context, request, wanted, subnet=subnet, keep=keep))
        return 0
    return run.run(context, request, wanted, client, subnet=subnet, remove_image=values.flag("rmi"))
