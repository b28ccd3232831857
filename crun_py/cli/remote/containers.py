"""What is done to containers elsewhere."""

from __future__ import annotations

import time

from crun_py import clock, signals
from crun_py.cli.ask import confirmed
from crun_py.cli.container import create_request, prune
from crun_py.cli.container import stop as stopping
from crun_py.cli.each import each
from crun_py.engine import waiting
from crun_py.engine.selection import ids_in
from crun_py.errors import Conflict, NotFound, Unsupported
from crun_py.fields import Fields
from crun_py.model.pruned import Pruned
from crun_py.options import parts
from crun_py.remote import containers, create
from crun_py.remote.client import filters
from crun_py.remote.paths import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from crun_py.remote.client import Remote
    from crun_py.values import Values

_STOPPABLE = ("running", "paused", "stopping", "restarting")


def chosen(
    remote: Remote, values: Values, arguments: list[str], states: Iterable[str] | None = None
) -> list[str]:
    """As cli.each.chosen."""
    return containers.named(
        remote,
        [*arguments, *ids_in(values.texts("cidfile"))],
        values.flag("all"),
        None if states is None else frozenset(states),
        latest=values.flag("latest"),
        wanted=values.given("filter"),
    )


def _post(remote: Remote, word: str, **query: object) -> Callable[[str], str]:
    """What posts to a container's path and gives its name."""

    def act(name: str) -> str:
        remote.call("POST", path("containers", name, word), query)
        return name

    return act


def stop(values: Values, arguments: list[str], remote: Remote) -> int:
    """Stop and print each name."""
    t = stopping.patience(values.maybe("time"))
    act = _post(remote, "stop", t=t, signal=stopping.signal(values.maybe("signal")))

    def unless_gone(name: str) -> str | None:
        try:
            return act(name)
        except NotFound:
            if values.flag("ignore"):
                return None
            raise

    return each(chosen(remote, values, arguments, _STOPPABLE), unless_gone)


def restart(values: Values, arguments: list[str], remote: Remote) -> int:
    """Restart and print each name."""
    t = stopping.patience(values.maybe("time"))
    act = _post(remote, "restart", t=t, signal=stopping.signal(values.maybe("signal")))
    running = values.flag("running")
    values = values.with_flag("all", values.flag("all") or running)
    return each(chosen(remote, values, arguments, containers.RUNNING if running else None), act)


def kill(values: Values, arguments: list[str], remote: Remote) -> int:
    """Signal and print each name."""
    number = signals.number(values.text("signal") or "KILL")
    names = chosen(remote, values, arguments, containers.RUNNING)
    return each(names, _post(remote, "kill", signal=number))


def pause(values: Values, arguments: list[str], remote: Remote) -> int:
    """Pause and print each name."""
    return each(chosen(remote, values, arguments, ("running",)), _post(remote, "pause"))


def unpause(values: Values, arguments: list[str], remote: Remote) -> int:
    """Let go on and print each name."""
    return each(chosen(remote, values, arguments, ("paused",)), _post(remote, "unpause"))


def rename(values: Values, arguments: list[str], remote: Remote) -> int:
    """Rename; prints nothing."""
    remote.call("POST", path("containers", arguments[0], "rename"), {"name": arguments[1]})
    return 0


def wait(values: Values, arguments: list[str], remote: Remote) -> int:
    """Wait for each and print its exit code; -1 where a condition has none."""
    words = [word for text in values.texts("condition") for word in text.split(",")]
    wanted = waiting.conditions(words)
    interval_s = clock.parse_span_ms(values.text("interval") or "100ms", "interval") / 1000

    def act(name: str) -> str:
        try:
            return str(_until(remote, name, wanted, interval_s))
        except NotFound:
            if values.flag("ignore") or "removed" in wanted:
                return str(waiting.NO_CODE)
            raise

    return each(containers.named(remote, arguments, latest=values.flag("latest")), act)


def _until(remote: Remote, name: str, wanted: Iterable[str], interval_s: float) -> int:
    """The exit code when a container has ended or one of the conditions holds."""
    if not wanted:
        return containers.wait(remote, name)
    while True:
        state = containers.inspect(remote, name).inner("State")
        if {state.text("Status"), state.inner("Health").text("Status")} & {*wanted}:
            ended = state.text("Status") == "exited"
            return state.number("ExitCode") if ended else waiting.NO_CODE
        time.sleep(interval_s)


def update(values: Values, arguments: list[str], remote: Remote) -> int:
    """Change and print each name."""
    if values.texts("publish_add") or values.texts("publish_rm"):
        raise Unsupported("--publish-add, --publish-rm: Docker's API cannot say it")
    body = create.limits(create_request.limits(values))
    if (given := values.maybe("restart")) is not None:
        policy = parts.restart_policy(given)
        body["RestartPolicy"] = {"Name": policy.name, "MaximumRetryCount": policy.retries}

    def act(name: str) -> str:
        remote.call("POST", path("containers", name, "update"), None, body)
        return name

    return each(arguments, act)


def rm(values: Values, arguments: list[str], remote: Remote) -> int:
    """Remove and print each name."""
    if values.flag("link"):
        raise Conflict("removing a link: links are part of their container here")
    if values.flag("depend"):
        raise Unsupported("--depend: Docker's API cannot say it")
    timeout_s = stopping.patience(values.maybe("time"))
    missing_ok = values.flag("force") or values.flag("ignore")

    def act(name: str) -> str | None:
        try:
            if timeout_s is not None and values.flag("force"):
                remote.call("POST", path("containers", name, "stop"), {"t": timeout_s})
            containers.remove(
                remote, name, force=values.flag("force"), volumes=values.flag("volumes")
            )
        except NotFound:
            if missing_ok:
                return None
            raise
        return name

    return each(chosen(remote, values, arguments), act, 1)


def container_prune(values: Values, arguments: list[str], remote: Remote) -> int:
    """Remove all containers that do not run, and tell which."""
    if not values.flag("force") and not confirmed(prune.WARNING):
        return 0
    prune.tell(pruned(remote, "/containers/prune", "ContainersDeleted", values.texts("filter")))
    return 0


def pruned(remote: Remote, place: str, field: str, wanted: Iterable[str]) -> Pruned:
    """What a prune of containers, networks or volumes removed."""
    found = Fields(remote.call("POST", place, {"filters": filters([*wanted])}) or {})
    return Pruned(names=tuple(found.texts(field)), freed_bytes=found.number("SpaceReclaimed"))


def exists(values: Values, arguments: list[str], remote: Remote) -> int:
    """0 when it is there, 1 when not; prints nothing."""
    return 0 if remote.exists(path("containers", arguments[0], "json")) else 1


def init(values: Values, arguments: list[str], remote: Remote) -> int:
    """Make everything for containers but do not run their commands yet; print each name."""
    remote.need_podman("init")
    names = containers.named(
        remote, arguments, values.flag("all"), {"created"}, latest=values.flag("latest")
    )

    def act(name: str) -> str:
        remote.call("POST", path("libpod", "containers", name, "init"))
        return name

    return each(names, act)
