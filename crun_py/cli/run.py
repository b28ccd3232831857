"""crunpy run: create, start, and stay attached unless -d."""

from __future__ import annotations

from crun_py.cli import create
from crun_py.cli.context import Context, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = create.ARGUMENTS
MIXED = False
OPTIONS = (
    *create.OPTIONS,
    ("-d --detach", "flag", "Run in the background and print the container id", ""),
    ("-a --attach", "list", "Attach to stdin, stdout or stderr only", "STREAM"),
    ("--detach-keys", "value", "Keys that leave the container running", "KEYS"),
    ("--sig-proxy", "value", "Pass signals on to the container (true)", "BOOL"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Run; the exit status is the container's."""
    from crun_py import attach, foreground, lifecycle

    # refused before anything is made
    attach.parse_detach_keys(values["detach_keys"] or "")
    foreground.parse_streams(values["attach"])
    container = create.make(values, arguments, context)
    if values["detach"]:
        try:
            lifecycle.start(container, rootless=context.rootless, explain=context.explain)
        except BaseException:
            foreground.discard(container)
            raise
        write(container.id)
        return 0
    return foreground.run(
        container,
        rootless=context.rootless,
        streams=values["attach"],
        sig_proxy=values["sig_proxy"] != "false",
        detach_keys=values["detach_keys"],
        explain=context.explain,
    )
