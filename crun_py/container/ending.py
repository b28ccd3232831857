"""The end of a container: waiting for it, stopping it, taking down what `start` made, removing it.

`end` may be run by the foreground command, by the monitor (which becomes `crunpy cleanup`), by
`stop` and `rm -f`, or by the next command after a crash: whoever is first does the work.
"""

from __future__ import annotations

import os
import sys

from crun_py import events, notices, signals, state
from crun_py.cgroup import group, manager
from crun_py.container import attach, elsewhere, restart
from crun_py.errors import Conflict, CrunpyError, NotFound
from crun_py.net import connection
from crun_py.overlay import rootfs
from crun_py.paths import Paths
from crun_py.state import Container, Status
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

GONE = ".gone-"
"""What the directory of a container being removed is called, before its id."""

_shared: dict[str, set[str]] = {}
"""The dependencies of each container that `check_unshared` has seen."""
_SIGKILL = 9
_REMOVALS = 20
"""How often a container is killed that others, or its health check, start again meanwhile."""
_LOG_PATIENCE_S = 0.5
"""How long a monitor may take to finish the log before we go on without it: it may have to
wait for a client that does not read, a `run` that was stopped with Ctrl-Z."""


def end(
    container: Container, *, wait_for_lock: bool = True, restarts: bool = False
) -> Status | None:
    """Take down what a container that has ended left, and remove it if it was run with --rm.

    restarts: the caller starts it again when its policy wants that: then the run that ended
    is returned, and its status stays, saying so.
    May be called again and by several processes at once.  Does nothing while it runs.
    Raises Conflict when another process has the lock and wait_for_lock is False.
    """
    try:
        with container.lock(None if wait_for_lock else 0):
            status = container.status()
            if status.alive or not os.path.isdir(container.run_directory):
                return None
            if status.state == "restarting" and status.monitor_pid != os.getpid():
                return None  # its monitor waits, and cleans up itself
            again = restarts and restart.due(container, status.exit_code)
            clean(container, restarting=again)
            if container.record["auto_remove"]:
                _remove(container, anonymous_volumes=True)
    except FileNotFoundError:
        return None  # another process has removed it
    if container.record.get("pod") and not again:
        _end_pod(container)
    return status if again else None


def _end_pod(container: Container) -> None:
    """Where the pod of a container that has ended wants it: stop what is left of it, which is its
    infra container, when no other one runs."""
    from functools import partial

    from crun_py import pods

    if container.record.get("infra"):
        return
    try:
        pod = pods.load(container.paths, container.record["pod"])
    except CrunpyError:
        return  # it is being removed, or damaged
    if pod.record["exit_policy"] != "stop":
        return
    left = [(other, other.status()) for other in pod.containers()]
    if not any((status.alive or status.state == "restarting") and not other.record.get("infra")
               for other, status in left):  # fmt: skip
        for other, status in left:
            if status.alive:
                warn_on_error(partial(stop, other))


def clean(container: Container, *, restarting: bool = False) -> None:
    """Under the lock, for a container that does not run: everything below RUN, and the
    network and cgroup that start made.  Goes on after an error, which is told as a warning:
    nothing here may keep a container from being removed.

    restarting: its status stays, which says so as long as we live.
    """
    if os.path.isdir(container.run_directory):
        _tell_end(container)
        if container.record.get("config", {}).get("healthcheck"):
            from crun_py.container import health

            warn_on_error(lambda: health.keep(container))
    warn_on_error(lambda: connection.disconnect(container))
    # the note is gone when somebody has emptied the run directory
    below = container.record["cgroup_parent"]
    noted = container.cgroup
    for cgroup in [noted] if noted else manager.likely(container.id, below):
        if os.path.isdir(cgroup):
            warn_on_error(lambda path=cgroup: group.remove(path))  # type: ignore[misc]
    if any(entry.get("mounted") for entry in container.record["mounts"]):
        from crun_py.container import volume_mounts

        warn_on_error(lambda: volume_mounts.hide(container))
    if not restarting:
        warn_on_error(lambda: remove_tree(container.run_directory))
        return
    for name in os.listdir(container.run_directory):
        if name != "status.json":
            os.unlink(f"{container.run_directory}/{name}")


def _tell_end(container: Container) -> None:
    """The events of a container's end, once: with the run directory they are told."""
    status = container.status()
    if status.state not in ("exited", "restarting"):
        return
    events.container(container, "die", exitCode=str(status.exit_code))


def warn_on_error(step: Callable[[], object]) -> None:
    """Do `step`; its error is a warning.

    While an error is handled, a step that fails for the same reason has nothing new to say:
    what it leaves is swept by the next command.
    """
    handled = sys.exc_info()[1]
    try:
        step()
    except CrunpyError as e:
        if e.errno and e.errno == getattr(handled, "errno", 0):
            return
        notices.warn(e.line())


def wait(container: Container) -> int:
    """Wait until `container` has ended; returns its exit code."""
    status = container.status()
    if status.running:
        from crun_py import monitor

        try:
            session = attach.Session(monitor.connect(container.run_directory), 0, terminal=False)
        except (NotFound, BrokenPipeError):  # it is ending, or was killed
            return _wait_without_monitor(container)
        try:
            code = session.serve()
        finally:
            session.close()
        if code != attach.LOST:
            return code
        return _wait_without_monitor(container)
    return status.exit_code


def _wait_without_monitor(container: Container) -> int:
    """For a container whose monitor was killed: its process alone tells the end."""
    import select

    status = container.status()
    if status.running:
        try:
            fd = state.open_pid(status)
        except NotFound:
            return container.status().exit_code
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll()
        os.close(fd)
    return container.status().exit_code


def stop(
    container: Container,
    timeout_s: int | None = None,
    *,
    signal: int = 0,
    kill: bool = False,
    for_good: bool = True,
) -> None:
    """The stop signal, and SIGKILL after timeout_s (None: the container's own; -1: never).

    signal: instead of the container's own stop signal.  kill: SIGKILL at once.  for_good: no
    restart policy starts it again.  Returns when the end is noted and cleaned up.
    """
    config = container.record["config"]
    number = signal or config["stop_signal"]
    patience = config["stop_timeout"] if timeout_s is None else timeout_s
    if for_good:
        restart.suspend(container)
    status = container.status()
    if status.state == "restarting":
        _end_restarting(container, for_good)
        status = container.status()  # the restart may have been faster
    if not status.alive:
        return
    watch = _watch(container)
    try:
        if not kill:
            signal_it(container, status, number)
        if kill or not _ends(container, status, patience, number):
            _kill(container, status)
        if watch:
            watch.serve(deadline_s=_LOG_PATIENCE_S)
    finally:
        if watch:
            watch.close()
    end(container)
    events.container(container, "stop")


def _ends(container: Container, status: Status, patience_s: int, number: int) -> bool:
    """Wait so long (-1: for ever) for the end that signal `number` asked for; if it does not
    come, say so."""
    if not patience_s:
        return _ended_within(status, 0)
    with state.Stopping(container):
        if _ended_within(status, None if patience_s < 0 else patience_s):
            return True
    notices.warn(
        f"{signals.name(number)} did not stop container {container.name} in {patience_s} seconds: "
        "SIGKILL is sent"
    )
    return False


def signal_it(container: Container, status: Status, number: int) -> bool:
    """Signal the first process, and let it go on if it is paused, for a paused one gets no
    signal but SIGKILL; False when it has ended already."""
    sent = state.send_signal(status, number)
    if sent:
        events.container(container, "kill", signal=str(number))
    if status.state == "paused" and container.cgroup:
        group.freeze(container.cgroup, False)
    return sent


def _end_restarting(container: Container, for_good: bool) -> None:
    """End a monitor that waits for the next restart."""
    with container.lock():
        if for_good:
            restart.suspend(container)  # a restart that was under way has noted itself
        status = container.status()
        if status.state != "restarting":
            return
        # we have the lock, so that it has not begun to start the container
        try:
            os.kill(status.monitor_pid, _SIGKILL)
        except ProcessLookupError:
            return
        finally:
            clean(container)


def _watch(container: Container) -> attach.Session | None:
    """A connection to the monitor that promises to clean up, so that it need not."""
    from crun_py import monitor

    try:
        return attach.Session(
            monitor.connect(container.run_directory), attach.CLEANER, terminal=False
        )
    except (NotFound, BrokenPipeError):
        return None


def _kill(container: Container, status: Status) -> None:
    if state.send_signal(status, _SIGKILL):
        events.container(container, "kill", signal=str(_SIGKILL))
    if not _ended_within(status, 30):
        raise CrunpyError(
            f"killing container {container.name}: process {status.pid} does not end",
            hint="it waits in the kernel, for a disk or network file system perhaps",
        )


def kill_left(container: Container) -> None:
    """Under the lock, when a start did not come to its end: what it started may run."""
    status = state.left_by_start(container)
    if status.alive:
        _kill(container, status)


def _ended_within(status: Status, timeout_s: float | None) -> bool:
    """Wait for the end of the process itself, whoever monitors it."""
    import select

    try:
        fd = state.open_pid(status)
    except NotFound:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))
    finally:
        os.close(fd)


# ---- remove ----


def remove(
    container: Container,
    *,
    force: bool = False,
    anonymous_volumes: bool = False,
    with_pod: bool = False,
) -> None:
    """Remove `container` and its writable layer.

    force: kill it first.  anonymous_volumes: remove those made for it alone, too.  with_pod: its
    pod is being removed.  Raises Conflict when it runs and force is not given, another container
    shares one of its namespaces, or a pod has it as its infra container.
    """
    status = check_removable(container, force=force, with_pod=with_pod)
    volumes_too = anonymous_volumes or container.record["auto_remove"]
    try:
        for _ in range(_REMOVALS):
            if status.alive or status.state == "restarting":
                stop(container, kill=True)
            with container.lock():
                status = container.status()
                if not status.alive:
                    clean(container)
                    _remove(container, anonymous_volumes=volumes_too)
                    return
            if not force:
                break
    except FileNotFoundError:
        return  # --rm was faster
    raise Conflict(f"removing container {container.name}: it was started just now")


def _remove(container: Container, *, anonymous_volumes: bool) -> None:
    """Under the lock.  Deleting needs no new bytes: the directory is renamed, then emptied."""
    paths = container.paths
    container.reload()  # it may have another name by now
    if os.path.isdir(rootfs.merged(container.directory)):
        from crun_py.container import mounts

        mounts.hide(container)
    trash = f"{paths.containers}/{GONE}{container.id}"
    os.rename(container.directory, trash)
    state.release_name(paths, container.name, container.id)
    remove_tree(trash)
    events.container(container, "destroy")
    mine = {m["name"] for m in container.record["mounts"] if m.get("anonymous")}
    if anonymous_volumes and mine:
        from crun_py.container import uses

        for name in mine:  # what another one has by --volumes-from goes with that one
            uses.give_back_volume(container, name)


def _check_without_pod(infra: Container) -> None:
    """Raises Conflict when the pod of an infra container is there."""
    pod_id = infra.record.get("pod", "")
    if os.path.isdir(infra.paths.pod(pod_id)):
        raise Conflict(
            f"removing container {infra.name}: it is the infra container of pod {pod_id[:12]} and "
            "cannot be removed without removing the pod",
            hint=f"crunpy pod rm {pod_id[:12]}",
        )


def check_removable(
    container: Container,
    *,
    force: bool = False,
    with_pod: bool = False,
    gone: Collection[str] = (),
) -> Status:
    """The status of one that `remove` would remove; raises as that.

    gone: ids of containers that do not count, as they are to be removed before."""
    if container.record.get("infra") and not with_pod:
        _check_without_pod(container)
    check_unshared(container, gone)
    status = container.status()
    if (status.running or status.state == "restarting") and not force:
        raise Conflict(
            f"removing container {container.name}: it is {status.state}",
            hint=f"stop it first, or crunpy rm -f {container.name}",
        )
    elsewhere.check_removable(container)
    return status


def check_unshared(container: Container, gone: Collection[str] = ()) -> None:
    """Raises Conflict when another container, none of `gone`, shares a namespace of `container`."""
    # what a container shares stays as it was created: many are removed with one look at each
    unknown = set(state.ids(container.paths)) - _shared.keys()
    _shared.update((other.id, dependencies(other)) for other in
                   state.every(container.paths, among=unknown))  # fmt: skip
    sharing = {other for other, used in _shared.items() if container.id in used}
    sharing.difference_update(gone)
    if found := [other.name for other in state.every(container.paths, among=sharing)]:
        raise Conflict(
            f"removing container {container.name}: its namespaces are shared by container "
            + ", ".join(found),
            hint=f"remove that first, or both: crunpy rm -f --depend {container.name}",
        )


def in_order(containers: list[Container]) -> list[Container]:
    """`containers`, each before those whose namespaces it shares."""
    left, ordered = list(containers), []
    while left:
        used = {container_id for other in left for container_id in dependencies(other)}
        ready = [c for c in left if c.id not in used] or left  # a circle has no order
        ordered += ready
        left = [c for c in left if c not in ready]
    return ordered


def dependencies(container: Container) -> set[str]:
    """The ids of the containers whose namespaces `container` shares."""
    return {m.partition(":")[2] for m in container.modes if m.startswith("container:")}


def remove_broken(paths: Paths, container_id: str) -> None:
    """Kill and remove a container whose record cannot be read."""
    from crun_py.upgrade import lost

    container = Container(paths, lost(container_id))
    status = container.status()
    if status.running:
        _kill(container, status)
    clean(container)
    remove_tree(container.directory)
    state.release_names(paths, container_id)
