"""Waiting until a container can be used."""

from __future__ import annotations

import re
import time

from crun_py import jsonfile, logs, state
from crun_py.container import health
from crun_py.errors import Conflict, InvalidArgument, TimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.state import Container, Status

CALLS = ("wait_until",)
_EVERY_S = 0.02
_SHOWN_LINES = 5
_LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc_net_tcp.txt)."""


def wait_until(
    context: Context,
    name: str,
    *,
    healthy: bool = False,
    port: int = 0,
    log: str = "",
    timeout_s: float = 60,
) -> None:
    """Return when all that is asked for is true of a container.

    healthy: its health check passed.  port: something in it listens there (TCP).  log: a regular
    expression that a line of its output matches; for that alone it may have ended.
    Raises TimedOut after timeout_s, Conflict when the container has ended, InvalidArgument when it
    has no health check.
    """
    container = state.find(context.paths, name)
    if healthy and health.configured(container) is None:
        raise InvalidArgument(f"waiting for container {container.name}: it has no health check")
    try:
        pattern = re.compile(log)
    except re.error as e:
        raise InvalidArgument(f"log {log!r}: not a regular expression: {e}") from None
    deadline = time.monotonic() + timeout_s
    status = container.status()
    if port and status.alive:
        context.join(status)
    while True:
        lacking = ""
        if healthy or port or not log:
            lacking = _lacking(container, status, healthy=healthy, port=port)
        if not lacking and log and not _printed(container, pattern):
            lacking = f"no line matches {log!r}"
        if not lacking:
            return
        if not status.alive and status.state not in ("created", "restarting"):
            raise Conflict(
                f"waiting for container {container.name}: it has ended with exit code "
                f"{status.exit_code}",
                hint=_last_lines(container),
            )
        if time.monotonic() >= deadline:
            raise TimedOut(
                f"waiting for container {container.name}: {lacking} after {timeout_s:g} seconds",
                hint=_last_lines(container),
            )
        time.sleep(_EVERY_S)
        status = container.status()


def _lacking(container: Container, status: Status, *, healthy: bool, port: int) -> str:
    """What is not true yet, "" when all is."""
    if not status.running:
        return f"it is {status.state}"
    if healthy:
        found = health.current(container)
        if not found or found["status"] != health.HEALTHY:
            return f"it is {found['status'] if found else 'without a health check'}"
    if port and not _listens(status.pid, port):
        return f"nothing listens on port {port}"
    return ""


def _listens(pid: int, port: int) -> bool:
    """Whether a socket in the network namespace of `pid` waits for connections to `port`."""
    wanted = f"{port:04X}"
    for name in ("tcp", "tcp6"):
        try:
            lines = jsonfile.read_bytes(f"/proc/{pid}/net/{name}").decode().splitlines()[1:]
        except OSError:
            continue  # without IPv6, or it ended just now
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and fields[1].rpartition(":")[2] == wanted:
                return True
    return False


def _printed(container: Container, pattern: re.Pattern[str]) -> bool:
    return any(pattern.search(entry["log"]) for entry in logs.read(container))


def _last_lines(container: Container) -> str:
    """The end of its output, as a hint."""
    if container.record["log"]["driver"] == "none":
        return ""
    lines = [entry["log"].rstrip("\n") for entry in logs.read(container, tail=_SHOWN_LINES)]
    return "its last lines: " + " | ".join(lines) if lines else ""
