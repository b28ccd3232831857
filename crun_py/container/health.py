"""Health checks: what a container's is, and what the last ones gave (probe.py makes them).

The result lies in RUN/containers/ID/health.json and is gone with the run.  Names and
defaults are those of Docker's image configuration, field Healthcheck.
"""

from __future__ import annotations

from crun_py import clock, jsonfile, quantity
from crun_py.errors import CorruptState, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.state import Container

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
_OPTION_NAMES = {
    "interval_ms": "health_interval",
    "timeout_ms": "health_timeout",
    "start_ms": "health_start_period",
    "start_interval_ms": "health_start_interval",
}


def settings(config: dict[str, Any], options: dict[str, Any]) -> dict[str, Any] | None:
    """The health check of a new container, None for none.

    config: the image's, whose Healthcheck counts where `options` (--health-cmd …) do not say
    otherwise.  Times are in ms.  Raises InvalidArgument.
    """
    image = config.get("Healthcheck") or {}
    command = options.get("health_cmd")
    given = [o for o in ("health_cmd", "health_retries", *_OPTION_NAMES.values()) if options.get(o)]
    if options.get("no_healthcheck"):
        if given:
            raise InvalidArgument(
                f"--no-healthcheck: conflicts with --{given[0].replace('_', '-')}"
            )
        return None
    test = _test(command) if command else list(image.get("Test") or [])
    if not test or test == ["NONE"]:
        return None
    result: dict[str, Any] = {"test": test, **_DEFAULTS}
    for key, name in _IMAGE_NAMES.items():
        if image.get(name):
            result[key] = int(image[name]) // 10**6
    if image.get("Retries"):
        result["retries"] = int(image["Retries"])
    for key, name in _OPTION_NAMES.items():
        text = options.get(name)
        if text == "disable" and name == "health_interval":
            result[key] = 0
        elif text:
            result[key] = clock.parse_span_ms(text, name.replace("_", " "))
    # a check that is wanted more often is so from the beginning
    result.setdefault("start_interval_ms", min(_START_INTERVAL_MS, result["interval_ms"]))
    retries = options.get("health_retries")
    if retries is not None:
        result["retries"] = quantity.whole(retries, "health retries") or _DEFAULTS["retries"]
    result["on_failure"] = options.get("health_on_failure") or "none"
    if result["on_failure"] not in ACTIONS:
        raise InvalidArgument(
            f"health on failure {result['on_failure']!r}: not known", hint=", ".join(ACTIONS)
        )
    return result


def _test(command: str) -> list[str]:
    """--health-cmd: a shell's command line, or words as JSON, as podman takes them."""
    if command.lower() == "none":
        return ["NONE"]
    if command.startswith("["):
        try:
            words = jsonfile.loads(command)
        except ValueError:
            words = None
        if isinstance(words, list) and words and all(isinstance(w, str) for w in words):
            return words if words[0] in ("CMD", "CMD-SHELL", "NONE") else ["CMD", *words]
    return ["CMD-SHELL", command]


def configured(container: Container) -> dict[str, Any] | None:
    """The settings of an existing container, None when it has no health check."""
    found: dict[str, Any] | None = container.record["config"].get("healthcheck")
    return found


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
