"""crunpy attach."""

from __future__ import annotations

from crun_py import events, state
from crun_py.container import attach, ending, execute, foreground
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER]"
OPTIONS = (
    ("-l --latest", "flag", "The one created last", ""),
    ("--no-stdin", "flag", "Do not pass standard input on", ""),
    ("--detach-keys", "value", "Keys that leave the container running", "KEYS"),
    ("--sig-proxy", "value", "Pass signals on to the container (true)", "BOOL"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Attach until the container ends; the exit status is the container's."""
    if values["latest"]:
        container = state.latest(context.paths)
    elif arguments:
        container = state.find(context.paths, arguments[0])
    else:
        raise InvalidArgument("attaching: no container given", hint="a name, or --latest")
    execute.running(container, "attaching to")
    config = container.record["config"]
    reads = config["open_stdin"] and not values["no_stdin"]
    attach.check_input(terminal=config["tty"], interactive=reads)
    return attach_to(
        container,
        ["stdout", "stderr"] if values["no_stdin"] else None,
        values["detach_keys"],
        sig_proxy=values["sig_proxy"] != "false",
    )


def attach_to(
    container: state.Container,
    streams: list[str] | None,
    detach_keys: str | None,
    *,
    sig_proxy: bool,
) -> int:
    """Attach to a running container; its exit code, 0 after the detach keys.

    streams: as for foreground.run; None for all that it has.
    """
    wanted = foreground.streams_for(container, streams)
    keys = attach.parse_detach_keys(detach_keys or "ctrl-p,ctrl-q")
    events.container(container, "attach")
    session = attach.Session(
        attach.connect(container.run_directory),
        wanted,
        terminal=container.record["config"]["tty"],
    )
    try:
        code = session.serve(foreground.signal_forwarder(container) if sig_proxy else None, keys)
    finally:
        session.close()
    if code == attach.DETACHED:
        return 0
    return ending.wait(container) if code == attach.LOST else code
