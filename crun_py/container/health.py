"""Health checks: what a container's is, and what the last ones gave (probe.py makes them).

The result lies in RUN/containers/ID/health.json, and after the run in the container's directory.
Names and defaults are those of Docker's image configuration, field Healthcheck.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CorruptState, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import HealthCheck as Settings
    from crun_py.documents.image import ImageConfig
    from crun_py.documents.status import Health
    from crun_py.model.container import HealthCheck
    from crun_py.state import Container, Status

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
ACTIONS = ("none", "kill", "restart", "stop")
_INTERVAL_MS, _TIMEOUT_MS, _START_INTERVAL_MS = 30_000, 30_000, 5_000
_RETRIES = 3


def settings(config: ImageConfig, asked: HealthCheck) -> Settings | None:
    """The health check of a new container, None for none.

    config: the image's, whose Healthcheck counts where `asked` says nothing.  Raises
    InvalidArgument.
    """
    image = config.get("Healthcheck") or {}
    if asked.disabled:
        return None
    test = list(image.get("Test") or []) if asked.test is None else [*asked.test]
    if not test or test == ["NONE"]:
        return None
    if asked.on_failure not in ACTIONS:
        raise InvalidArgument(
            f"health on failure {asked.on_failure!r}: not known", hint=", ".join(ACTIONS)
        )
    interval_ms = _time(asked.interval_ms, image.get("Interval"), _INTERVAL_MS)
    # a check that is wanted more often is so from the beginning
    usual_ms = min(_START_INTERVAL_MS, interval_ms)
    if asked.retries is None:
        retries = image.get("Retries") or _RETRIES
    else:
        retries = asked.retries or _RETRIES
    return {
        "test": test,
        "interval_ms": interval_ms,
        "timeout_ms": _time(asked.timeout_ms, image.get("Timeout"), _TIMEOUT_MS),
        "start_ms": _time(asked.start_ms, image.get("StartPeriod"), 0),
        "start_interval_ms": _time(asked.start_interval_ms, image.get("StartInterval"), usual_ms),
        "retries": retries,
        "on_failure": asked.on_failure,
    }


def _time(asked_ms: int | None, image_ns: int | None, usual_ms: int) -> int:
    if asked_ms is not None:
        return asked_ms
    return image_ns // 10**6 if image_ns else usual_ms


def configured(container: Container) -> Settings | None:
    """The settings of an existing container, None when it has no health check."""
    return container.record["config"]["healthcheck"]


def of(container: Container, status: Status) -> str:
    """The health of a running container, "" when it does not run or has no check."""
    found = current(container) if status.running else None
    return found["status"] if found else ""


def current(container: Container) -> Health | None:
    """{"status", "failing_streak", "log"} of a running container, None without a check."""
    return None if configured(container) is None else _read(file(container))


def last(container: Container) -> Health | None:
    """As `current`, of one that does not run: as it was when it ended."""
    return None if configured(container) is None else _read(_kept(container))


def keep(container: Container) -> None:
    """Let `last` know what there is now, or that there is nothing."""
    if configured(container) is None:
        return
    try:
        found: Health = jsonfile.read(file(container))
    except (FileNotFoundError, CorruptState):
        if os.path.exists(_kept(container)):
            os.unlink(_kept(container))
        return
    jsonfile.write(_kept(container), found)


def _kept(container: Container) -> str:
    return container.directory + "/health.json"


def _read(path: str) -> Health:
    try:
        found: Health = jsonfile.read(path)
    except (FileNotFoundError, CorruptState):
        return fresh()
    like = fresh()
    whole = isinstance(found, dict) and all(
        isinstance(found.get(key), type(value)) for key, value in like.items()
    )
    return found if whole else like


def fresh() -> Health:
    """The state before the first check."""
    return {"version": 1, "status": STARTING, "failing_streak": 0, "log": []}


def file(container: Container) -> str:
    """Where the state lies."""
    return container.run_directory + "/health.json"
