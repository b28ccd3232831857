"""crunpy run: create, start, and stay attached unless -d."""

from __future__ import annotations

import os

from crun_py.cli import create
from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.errors import Conflict, InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
    from crun_py.container import attach, foreground, lifecycle

    values = create.with_defaults(values, context)
    # refused before anything is made
    attach.parse_detach_keys(values["detach_keys"] or "")
    streams = foreground.parse_streams(values["attach"])
    if not values["detach"]:
        reads = bool(values["interactive"]) and bool(streams & attach.STDIN)
        attach.check_input(terminal=bool(values["tty"]), interactive=reads)
    keep = descriptors(values["preserve_fds"])
    if values["rmi"] and values["detach"]:
        raise InvalidArgument("--rmi: conflicts with --detach: nobody is there at its end")
    values["rm"] = values["rm"] or values["rmi"]
    container = create.make(values, arguments, context)
    if values["detach"]:
        try:
            lifecycle.start(
                container, rootless=context.rootless, explain=context.explain, keep=keep
            )
        except BaseException:
            foreground.discard(container)
            raise
        write(container.id)
        return 0
    code = foreground.run(
        container,
        rootless=context.rootless,
        streams=values["attach"],
        sig_proxy=values["sig_proxy"] != "false",
        detach_keys=values["detach_keys"],
        explain=context.explain,
        keep=keep,
    )
    if values["rmi"]:
        _remove_image(container.record["image"], context)
    return code


def descriptors(text: str | None) -> int:
    """--preserve-fds as a number.  To be called before we open anything ourselves.

    Raises InvalidArgument, also for a descriptor that is not open.
    """
    for fd in range(3, 3 + int(text or 0)):
        try:
            os.fstat(fd)
        except OSError as e:
            raise InvalidArgument.from_os(f"preserve-fds {text}: descriptor {fd}", e) from e
    return int(text or 0)


def _remove_image(name: str, context: Context) -> None:
    from crun_py.engine import image_removal

    try:
        image_removal.remove(context, name)
    except (Conflict, NotFound):
        return  # another container uses it
