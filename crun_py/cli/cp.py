"""crunpy cp: copy files between a container and the host, or between containers."""

from __future__ import annotations

import contextlib
import os

from crun_py import state
from crun_py.cli.output import write_error
from crun_py.container import control, transfer
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "SOURCE TARGET"
OPTIONS = (
    ("-a --archive", "flag", "Keep the ids of owners and groups", ""),
    ("-L --follow-link", "flag", "Follow a symbolic link named as SOURCE", ""),
    ("-q --quiet", "flag", "Do not say what was copied", ""),
    ("--pause", "switch", "Stop the container's processes meanwhile, where the host can", ""),
    ("--overwrite", "flag", "Let directories and other files replace each other", ""),
)


def place(text: str, context: Context) -> transfer.Place:
    """`CONTAINER:PATH`, a path of the host or `-`, as docker tells them apart."""
    name, colon, path = text.partition(":")
    if text.startswith(("/", ".")) or not colon or "/" in name:
        return transfer.Place(None, text)
    if not name:
        raise InvalidArgument(f"copying {text}: no container named before the colon")
    return transfer.Place(state.find(context.paths, name), path)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Copy; what was copied is told on a terminal only."""
    source, target = (place(text, context) for text in arguments)
    how = transfer.How(
        archive=values["archive"], follow=values["follow_link"], overwrite=values["overwrite"]
    )
    with contextlib.ExitStack() as stack:
        for end in (source, target) if values["pause"] else ():
            if end.container:
                stack.enter_context(control.frozen(end.container, None))
        size = transfer.copy(source, target, how)
    if not values["quiet"] and not target.is_stream and os.isatty(2):
        write_error(f"Successfully copied {human_size(size)} to {target}")
    return 0
