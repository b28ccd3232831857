"""crunpy run: create, start, and stay attached unless -d."""

from __future__ import annotations

from crun_py.cli.container import create
from crun_py.cli.container.client import client_of, descriptors
from crun_py.cli.output import write
from crun_py.engine import run
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.engine.context import Context

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


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Run; the exit status is the container's."""
    values = create.with_defaults(values, context)
    # refused before anything is made
    keep = descriptors(values["preserve_fds"])
    client = client_of(values, tuple(name.lower() for name in values["attach"]), keep)
    if values["rmi"] and values["detach"]:
        raise InvalidArgument("--rmi: conflicts with --detach: nobody is there at its end")
    values["rm"] = values["rm"] or values["rmi"]
    request, wanted = create.asked(values, arguments, context)
    subnet = values.get("default_subnet") or ""
    if values["detach"]:
        write(run.run_detached(context, request, wanted, subnet=subnet, keep=keep))
        return 0
    return run.run(
        context, request, wanted, client, subnet=subnet, remove_image=bool(values["rmi"])
    )
