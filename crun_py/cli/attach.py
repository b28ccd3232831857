"""crunpy attach."""

from __future__ import annotations

from crun_py import attach, execute, foreground, lifecycle, state
from crun_py.cli.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER"
OPTIONS = (
    ("--no-stdin", "flag", "Do not pass standard input on", ""),
    ("--detach-keys", "value", "Keys that leave the container running", "KEYS"),
    ("--sig-proxy", "value", "Pass signals on to the container (true)", "BOOL"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Attach until the container ends; the exit status is the container's."""
    container = state.find(context.paths, arguments[0])
    execute.running(container)
    streams = foreground.streams_for(
        container, ["stdout", "stderr"] if values["no_stdin"] else None
    )
    keys = attach.parse_detach_keys(values["detach_keys"] or "ctrl-p,ctrl-q")
    session = attach.Session(
        attach.connect(container.run_directory),
        streams,
        terminal=container.record["config"]["tty"],
    )
    try:
        proxy = values["sig_proxy"] != "false"
        code = session.serve(foreground.signal_forwarder(container) if proxy else None, keys)
    finally:
        session.close()
    if code == attach.DETACHED:
        return 0
    return lifecycle.wait(container) if code == attach.LOST else code
