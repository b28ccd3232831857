"""crunpy stop."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.each import CHOICE, chosen, each_apart
from crun_py.cli.output import write
from crun_py.container import ending
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-t --time --timeout", "value", "Seconds until SIGKILL (-1: never)", "SECONDS"),
    ("-s --signal", "value", "Signal to send instead of the container's own", "SIGNAL"),
    ("-a --all", "flag", "Stop all running containers", ""),
    ("-i --ignore", "flag", "A container that is not there is no error", ""),
    *CHOICE,
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Stop and print each name."""
    timeout_s = patience(values["time"])
    names = chosen(context, values, arguments, {"running", "paused", "stopping", "restarting"})
    number = signal(values["signal"])

    def act(name: str) -> None:
        if values["ignore"] and not known(context, name):
            return
        container = state.find(context.paths, name)
        if number:
            container.record["config"]["stop_signal"] = number
        status = container.status()
        context.join(status) if status.alive else context.enter()
        ending.stop(container, timeout_s)
        write(name)

    return each_apart(names, act)


def patience(text: str | None) -> int | None:
    """The value of --time, in seconds."""
    return None if text is None else int(text)


def signal(text: str | None) -> int:
    """The value of --signal, 0 when it is not given."""
    if not text:
        return 0
    from crun_py import signals

    return signals.number(text)


def known(context: Context, name: str) -> bool:
    """Whether there is such a container."""
    from crun_py.errors import NotFound

    try:
        state.resolve(context.paths, name)
    except NotFound:
        return False
    return True
