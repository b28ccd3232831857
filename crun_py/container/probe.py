"""`healthcheck run`: one check of a container's health, and what follows from its result.

The container's monitor knows only when a check is due, and runs this command then.
"""

from __future__ import annotations

from crun_py import clock, events, jsonfile
from crun_py.container import ending, execute, health, lifecycle
from crun_py.errors import CommandError, Conflict, InvalidArgument, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import HealthCheck
    from crun_py.documents.status import Health, HealthResult
    from crun_py.state import Container

_KEPT_RESULTS, _KEPT_OUTPUT = 5, 4096
_TIMED_OUT = -1


def check(container: Container, *, rootless: bool) -> bool:
    """Make one check, note its result and act on it; whether it was good.

    The caller has entered the container's user namespace.  Raises Conflict when the
    container does not run, InvalidArgument when it has no health check.
    """
    how = health.configured(container)
    if how is None:
        raise InvalidArgument(
            f"checking container {container.name}: it has no health check",
            hint="create it with --health-cmd",
        )
    status = execute.running(container)
    began = clock.now()
    code, output = _probe(container, how)
    after = container.status()
    if after.pid != status.pid or after.start_ticks != status.start_ticks:
        raise Conflict(f"checking container {container.name}: it has ended meanwhile")
    result: HealthResult = {"Start": began, "End": clock.now(), "ExitCode": code, "Output": output}
    with jsonfile.Lock(health.file(container) + ".lock"):
        before = health.current(container) or health.fresh()
        value = _judge(how, before, result, _age_ms(status.started_at))
        jsonfile.write(health.file(container), value, durable=False)
    if value["status"] != before["status"]:
        events.container(container, f"health_status: {value['status']}")
        if value["status"] == health.HEALTHY:
            from crun_py.container import notify

            ending.warn_on_error(lambda: notify.healthy(container))
        if value["status"] == health.UNHEALTHY:
            _act(container, how["on_failure"], rootless=rootless)
    return code == 0


def _age_ms(started_at: str) -> int:
    return (clock.parse_rfc3339(clock.now()) - clock.parse_rfc3339(started_at)) // 10**6


def _probe(container: Container, how: HealthCheck) -> tuple[int, str]:
    """The exit code and output of the test; a test that cannot be run has failed."""
    kind, *words = how["test"]
    args = ["/bin/sh", "-c", words[0]] if kind == "CMD-SHELL" else words
    if kind not in ("CMD", "CMD-SHELL"):
        args = [kind, *words]
    try:
        code, output = execute.capture(container, args, how["timeout_ms"] / 1000, _KEPT_OUTPUT)
    except CommandError as e:
        return e.exit_code, e.line()
    except NotFound as e:
        raise Conflict(e.line()) from e
    if code is None:
        limit = how["timeout_ms"] / 1000
        return _TIMED_OUT, f"Health check exceeded timeout ({limit:g}s)"
    return code, output.decode("utf-8", "replace")


def _judge(how: HealthCheck, before: Health, result: HealthResult, age_ms: int) -> Health:
    """The new state: a good check makes it healthy, `retries` bad ones in a row unhealthy;
    while it starts bad ones do not count."""
    status, streak = before["status"], before["failing_streak"]
    if result["ExitCode"] == 0:
        status, streak = health.HEALTHY, 0
    elif status != health.STARTING or age_ms >= how["start_ms"]:
        streak += 1
        if streak >= how["retries"]:
            status = health.UNHEALTHY
    log = [*before["log"], result][-_KEPT_RESULTS:]
    return {"version": 1, "status": status, "failing_streak": streak, "log": log}


def _act(container: Container, action: str, *, rootless: bool) -> None:
    """What --health-on-failure wants."""
    if action == "kill":
        ending.stop(container, kill=True, for_good=False)
    elif action == "stop":
        ending.stop(container)
    elif action == "restart":
        ending.stop(container)
        lifecycle.start(container, rootless=rootless)
