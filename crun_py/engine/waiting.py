"""Waiting for what becomes of a container."""

from __future__ import annotations

import time

from crun_py import state
from crun_py.errors import InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from crun_py.engine.context import Context

CALLS = ("wait",)
NO_CODE = -1
"""The exit code of what has not ended, or is not known any more."""
CONDITIONS = "created running paused exited restarting healthy unhealthy removed".split()
_ALIASES = {"stopped": "exited", "not-running": "exited", "configured": "created",
            "removing": "removed", "next-exit": "exited"}  # fmt: skip


def conditions(words: Collection[str]) -> frozenset[str]:
    """`words`, docker's and podman's names of conditions, as ours.  Raises InvalidArgument."""
    wanted = [_ALIASES.get(word, word) for word in words]
    for word in wanted:
        if word not in CONDITIONS:
            raise InvalidArgument(f"condition {word!r}: not known", hint=", ".join(CONDITIONS))
    return frozenset(wanted)


def wait(
    context: Context,
    name: str,
    *,
    condition: Collection[str] = (),
    interval_s: float = 0.1,
    missing_ok: bool = False,
) -> int:
    """Wait for the end of a container, or until one of the conditions holds, looked at each
    interval_s; its exit code, NO_CODE where it has none.

    condition: words of CONDITIONS or docker's and podman's for them; missing_ok: one that is
    not there is no error, as with the condition `removed`.  Raises NotFound, InvalidArgument.
    """
    from crun_py.container import ending

    wanted = conditions(condition)
    try:
        container = state.find(context.paths, name)
    except NotFound:
        if missing_ok or "removed" in wanted:
            return NO_CODE
        raise
    return _until(container, wanted, interval_s) if wanted else ending.wait(container)


def _until(container: state.Container, wanted: Collection[str], interval_s: float) -> int:
    from crun_py.container import health

    while True:
        status = container.status()
        if "removed" in wanted and not _is_there(container):
            return NO_CODE
        if status.state in wanted or (status.state == "restarting" and "exited" in wanted):
            return NO_CODE if status.running or status.state == "created" else status.exit_code
        if status.running and {"healthy", "unhealthy"}.intersection(wanted):
            found = health.current(container)
            if found is None:
                raise InvalidArgument(
                    f"waiting for container {container.name}: it has no health check"
                )
            if found["status"] in wanted:
                return NO_CODE
        elif not _is_there(container):
            raise NotFound(f"waiting for container {container.name}: it has been removed")
        time.sleep(interval_s)


def _is_there(container: state.Container) -> bool:
    return container.id in state.ids(container.paths)
