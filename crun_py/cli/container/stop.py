"""crunpy stop."""

from __future__ import annotations

from crun_py.cli.each import CHOICE, chosen, each_apart
from crun_py.engine import containers
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values
ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-t --time --timeout", "value", "Seconds until SIGKILL (-1: never)", "SECONDS"),
    ("-s --signal", "value", "Signal to send instead of the container's own", "SIGNAL"),
    ("-a --all", "flag", "Stop all running containers", ""),
    ("-i --ignore", "flag", "A container that is not there is no error", ""),
    *CHOICE,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Stop and print each name."""
    timeout_s, number = patience(values.maybe("time")), signal(values.maybe("signal"))
    names = chosen(context, values, arguments, {"running", "paused", "stopping", "restarting"})

    def act(name: str) -> str | None:
        stopped = containers.stop(
            context, name, timeout_s=timeout_s, signal=number, missing_ok=values.flag("ignore")
        )
        return name if stopped else None

    return each_apart(names, act)


def patience(text: str | None) -> int | None:
    """The value of --time, in seconds."""
    return None if text is None else int(text)


def signal(text: str | None) -> int | None:
    """The value of --signal."""
    if not text:
        return None
    from crun_py import signals

    return signals.number(text)
