"""What is done to containers that are there: each function to one of them.

A plain user's process enters the container's user namespace for that, from which there is no
way back: whoever deals with several containers does so in a process for each.
"""

from __future__ import annotations

import os

from crun_py import state
from crun_py.errors import Conflict, CorruptState, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crun_py.engine.context import Context
    from crun_py.model.container import Limits, RestartPolicy
    from crun_py.model.pruned import Pruned
    from crun_py.model.running import HealthChecked

CALLS = ("exists", "resize", "stop", "kill", "restart", "pause", "unpause", "rename", "update",
         "remove", "sweep", "prune", "cleanup", "check_health")  # fmt: skip
_SIGKILL = 9


def exists(context: Context, name: str) -> bool:
    """Whether there is a container of this name or id.  Raises InvalidArgument."""
    try:
        state.resolve(context.paths, name)
    except NotFound:
        return False
    return True


def stop(
    context: Context,
    name: str,
    *,
    timeout_s: int | None = None,
    signal: int | None = None,
    missing_ok: bool = False,
) -> bool:
    """Stop a container for good; whether there is one, which only matters with missing_ok.

    timeout_s: seconds until SIGKILL (None: the container's own; -1: never); signal: instead of
    the container's own.  One that does not run is no error.  Raises NotFound.
    """
    from crun_py.container import ending

    if missing_ok and not exists(context, name):
        return False
    container = state.find(context.paths, name)
    status = container.status()
    context.join(status) if status.alive else context.enter()
    ending.stop(container, timeout_s, signal=signal or 0)
    return True


def kill(context: Context, name: str, signal: int = _SIGKILL) -> None:
    """Send `signal`; SIGKILL has acted when this returns.  Raises NotFound, Conflict when the
    container does not run."""
    from crun_py.container import ending, restart

    container = state.find(context.paths, name)
    status = container.status()
    if not status.alive:
        raise Conflict(f"killing container {name}: it is not running")
    context.join(status)
    if signal == _SIGKILL:
        ending.stop(container, kill=True)
        return
    if signal == container.record["config"]["stop_signal"]:
        restart.suspend(container)  # as Docker: the user wants it stopped
    ending.signal_it(container, status, signal)


def restart(
    context: Context, name: str, *, timeout_s: int | None = None, signal: int | None = None
) -> None:
    """Stop a container if it runs, and start it.  timeout_s, signal: as for `stop`.

    Raises Conflict for the infra container of a pod."""
    from crun_py.container import control

    container = state.find(context.paths, name)
    if container.record.get("infra"):
        pod_id = container.record["pod"][:12]
        raise Conflict(
            f"restarting container {name}: the others of pod {pod_id} would stay in the namespaces "
            "that it has now",
            hint=f"crunpy pod restart {pod_id}",
        )
    status = container.status()
    context.join(status) if status.alive else context.enter(*container.modes)
    control.again(container, timeout_s, signal=signal or 0, rootless=context.rootless)


def pause(context: Context, name: str) -> None:
    """Freeze the processes of a container.  Raises Conflict, Unsupported without a freezer."""
    from crun_py.container import control

    control.pause(state.find(context.paths, name), True)


def unpause(context: Context, name: str) -> None:
    """Let the processes of a paused container go on.  Raises as `pause`."""
    from crun_py.container import control

    control.pause(state.find(context.paths, name), False)


def resize(context: Context, name: str, rows: int, columns: int) -> None:
    """Give the terminal of a container that runs another size, in characters.  Raises NotFound."""
    from crun_py import monitor

    container = state.find(context.paths, name)
    sock = monitor.connect(container.run_directory)
    try:
        os.write(sock, b"w" + rows.to_bytes(2, "little") + columns.to_bytes(2, "little"))
    finally:
        os.close(sock)


def rename(context: Context, name: str, new: str) -> None:
    """Give a container another name.  Raises Conflict when it is taken, InvalidArgument."""
    from crun_py.container import control

    control.rename(state.find(context.paths, name), new)


def update(
    context: Context, name: str, limits: Limits, policy: RestartPolicy | None = None
) -> None:
    """Change limits and the restart policy (None: it stays), at once and for later starts.

    Raises Unsupported when this host cannot apply a limit to the running container; nothing is
    changed then.
    """
    from crun_py.container import control

    container = state.find(context.paths, name)
    context.enter()
    control.update(container, limits, policy)


def remove(
    context: Context,
    name: str,
    *,
    force: bool = False,
    timeout_s: int | None = None,
    volumes: bool = False,
    missing_ok: bool = False,
    dry_run: bool = False,
    gone: set[str] | None = None,
) -> bool:
    """Remove a container; False when there is none and missing_ok.

    force: kill it first if it runs, or with timeout_s stop it; a damaged one goes too.
    volumes: with its anonymous volumes.  dry_run: nothing is removed, but raises what a removal
    would; gone: the ids of those that would be gone before, to which this one's is added then.
    Raises NotFound, Conflict.
    """
    from crun_py.container import ending

    try:
        container_id = state.resolve(context.paths, name)
    except NotFound:
        if missing_ok:
            return False
        raise
    if dry_run:
        found = state.load(context.paths, container_id)
        gone = set() if gone is None else gone
        ending.check_removable(found, force=force, gone=gone)
        gone.add(container_id)
        return True
    status = state.status(context.paths, container_id)
    context.join(status) if status.alive else context.enter()
    try:
        container = state.load(context.paths, container_id)
    except CorruptState:
        if not force:
            raise
        ending.remove_broken(context.paths, container_id)
        return True
    if force and timeout_s is not None:
        ending.check_unshared(container)
        ending.stop(container, timeout_s)
    ending.remove(container, force=force, anonymous_volumes=volumes)
    return True


def sweep(context: Context) -> None:
    """Finish what killed commands left.  What cannot be finished is a warning."""
    from crun_py.container import lifecycle

    if lifecycle.needs_sweep(context.paths):
        context.enter()
        lifecycle.sweep(context.paths, rootless=context.rootless)


def prune(
    context: Context,
    filters: Sequence[str] = (),
    *,
    dry_run: bool = False,
    gone: Collection[str] = (),
) -> Pruned:
    """Remove all containers that do not run; their ids.

    filters: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE].  dry_run: nothing is removed, the
    answer is what would be.  gone: ids of those that would be gone before.  Raises
    InvalidArgument.
    """
    from crun_py.container import prune as pruning

    context.enter()
    return pruning.containers(context.paths, filters, dry_run=dry_run, gone=gone)


def cleanup(context: Context, name: str, *, remove: bool = False, rootless: bool = False) -> int:
    """What is due after the end of a container, and its next start if its restart policy wants
    one; one that is gone is no error.

    rootless: this process is in the user namespace of a user's container already.  Returns
    the container's exit code when this process was its monitor, else 0.
    """
    from crun_py.container import ending, lifecycle

    context.rootless = context.rootless or rootless
    try:
        container = state.find(context.paths, name)
    except NotFound:
        return 0
    context.enter(*container.modes)
    status = container.status()
    code = status.exit_code if status.monitor_pid == os.getpid() else 0
    lifecycle.cleanup(container, rootless=context.rootless)
    if remove:
        ending.remove(container)
    return code


def check_health(context: Context, name: str, *, rootless: bool = False) -> HealthChecked:
    """Make one check of a container's health, and what follows from it.

    rootless: as for `cleanup`.  Raises Conflict when the container does not run,
    InvalidArgument when it has no health check.
    """
    from crun_py.container import execute, health, probe
    from crun_py.model.running import HealthChecked

    context.rootless = context.rootless or rootless
    container = state.find(context.paths, name)
    context.join(execute.running(container, "checking"))
    passed = probe.check(container, rootless=context.rootless)
    current = health.current(container)
    return HealthChecked(
        passed=passed, status=str(current["status"] if current else health.UNHEALTHY)
    )
