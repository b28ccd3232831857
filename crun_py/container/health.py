"""Health checks: what a container's is, and what the last ones gave (probe.py makes them).

The result lies in RUN/containers/ID/health.json and is gone with the run.  Names and
defaults are those of Docker's image configuration, field Healthcheck.
"""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.errors import CorruptState, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.model.container import HealthCheck
    from crun_py.state import Container, Status

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
ACTIONS = ("none", "kill", "restart", "stop")
_DEFAULTS = {
    "interval_ms": 30_000,
    "timeout_ms": 30_000,
    "start_ms": 0,
    "retries": 3,
}
_START_INTERVAL_MS = 5_000
_IMAGE_NAMES = {
    "interval_ms": "Interval",
    "timeout_ms": "Timeout",
    "start_ms": "StartPeriod",
    "start_interval_ms": "StartInterval",
}


def settings(config: dict[str, Any], asked: HealthCheck) -> dict[str, Any] | None:
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
    result: dict[str, Any] = {"test": test, **_DEFAULTS}
    for key, name in _IMAGE_NAMES.items():
        if image.get(name):
            result[key] = int(image[name]) // 10**6
    if image.get("Retries"):
        result["retries"] = int(image["Retries"])
    times = {
        "interval_ms": asked.interval_ms,
        "timeout_ms": asked.timeout_ms,
        "start_ms": asked.start_ms,
        "start_interval_ms": asked.start_interval_ms,
    }
    result.update((key, value) for key, value in times.items() if value is not None)
    # a check that is wanted more often is so from the beginning
    result.setdefault("start_interval_ms", min(_START_INTERVAL_MS, result["interval_ms"]))
    if asked.retries is not None:
        result["retries"] = asked.retries or _DEFAULTS["retries"]
    result["on_failure"] = asked.on_failure
    if result["on_failure"] not in ACTIONS:
        raise InvalidArgument(
            f"health on failure {result['on_failure']!r}: not known", hint=", ".join(ACTIONS)
        )
    return result


def configured(container: Container) -> dict[str, Any] | None:
    """The settings of an existing container, None when it has no health check."""
    found: dict[str, Any] | None = container.record["config"].get("healthcheck")
    return found


def of(container: Container, status: Status) -> str:
    """The health of a running container, "" when it does not run or has no check."""
    found = current(container) if status.running else None
    return str(found["status"]) if found else ""


def current(container: Container) -> dict[str, Any] | None:
    """{"status", "failing_streak", "log"} of a running container, None without a check."""
    if configured(container) is None:
        return None
    try:
        found = jsonfile.read(file(container))
    except (FileNotFoundError, CorruptState):
        return fresh()
    like = fresh()
    whole = isinstance(found, dict) and all(
        isinstance(found.get(key), type(value)) for key, value in like.items()
    )
    return found if whole else like


def fresh() -> dict[str, Any]:
    """The state before the first check."""
    return {"version": 1, "status": STARTING, "failing_streak": 0, "log": []}


def file(container: Container) -> str:
    """Where the state lies."""
    return container.run_directory + "/health.json"
