"""crunpy stop."""

from __future__ import annotations

from crun_py import lifecycle, state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each_apart
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-t --time --timeout", "value", "Seconds until SIGKILL (-1: never)", "SECONDS"),
    ("-s --signal", "value", "Signal to send instead of the container's own", "SIGNAL"),
    ("-a --all", "flag", "Stop all running containers", ""),
    ("-i --ignore", "flag", "A container that is not there is no error", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Stop and print each name."""
    timeout_s = None
    if values["time"] is not None:
        try:
            timeout_s = int(values["time"])
        except ValueError:
            raise InvalidArgument(f"timeout {values['time']!r}: not a number of seconds") from None
    names = arguments
    if values["all"]:
        names = [c.id for c in state.every(context.paths) if c.status().running]
    elif not names:
        raise InvalidArgument("stopping: no container given", hint="names, or --all")
    if values["signal"]:
        from crun_py.request import signal_number

        signal_number(values["signal"])

    def act(name: str) -> None:
        if values["ignore"] and not _known(context, name):
            return
        container = state.find(context.paths, name)
        if values["signal"]:
            container.record["config"]["stop_signal"] = signal_number(values["signal"])
        status = container.status()
        if status.running:
            context.join(status)
        lifecycle.stop(container, timeout_s)
        write(name)

    return each_apart(names, act)


def _known(context: Context, name: str) -> bool:
    from crun_py.errors import NotFound

    try:
        state.resolve(context.paths, name)
    except NotFound:
        return False
    return True
