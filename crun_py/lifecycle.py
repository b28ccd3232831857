"""The life of a container after `create`: start, stop, wait, clean up, remove.

start    lock → network → files → cgroup → plan → launch; undone in reverse on an error
cleanup  what start made and the kernel did not take back itself; runs after the end, by
         the foreground command, by the monitor (which becomes `crunpy cleanup`), by
         `rm -f`, or by the next command after a crash
"""

from __future__ import annotations

import os
import sys

from crun_py import attach, events, jsonfile, namespaces, restart, staging, state, volumes
from crun_py.cgroup import group
from crun_py.errors import Conflict, CorruptState, CrunpyError, NotFound
from crun_py.net import modes
from crun_py.ns import container as contained
from crun_py.ns import plan as p
from crun_py.ns.launch import command_error, keep_open, launch
from crun_py.overlay import rootfs
from crun_py.paths import Paths, private_dir
from crun_py.state import Container, Status
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

DEFAULT_PIDS = 2048
_SIGKILL = 9
_MONITOR_PATIENCE_S = 10


# ---- start ----


def start(
    container: Container,
    *,
    rootless: bool,
    client: int = -1,
    explain: Callable[[str], None] | None = None,
    after: Status | None = None,
    held: bool = False,
    keep: int = 0,
) -> int:
    """Start `container`; returns the host pid of its first process.

    rootless: the process entered a user namespace of its own (ns/user.py).
    client:   the monitor's end of the first client's socket (attach.socketpair), or -1.
    explain:  is given the lines of the plan before it is carried out (--debug).
    keep:     how many of our descriptors from 3 on the command gets (--preserve-fds).
    after:    the run that ended, when its restart policy starts it and no user.
    held:     make everything, but let the command wait until the next `start`.
    Raises Conflict when it runs already, CommandError when its command cannot be run.
    """
    for other in container.record.get("requires") or []:
        required = state.load(container.paths, other)
        if not required.status().running:
            start(required, rootless=rootless)
    with container.lock():
        status = container.status()
        if status.running:
            raise Conflict(f"starting container {container.name}: it is running already")
        if status.state == "initialized":
            return _release(container, status)
        if after is None and os.path.isdir(container.run_directory):
            _clean(container)
        private_dir(container.run_directory)
        private_dir(container.paths.run + "/rootfs")
        undo: list[Callable[[], None]] = [lambda: remove_tree(container.run_directory)]
        try:
            restart.begin_again(container, after) if after else restart.begin(container)
            pid = _start(container, undo, client, explain, rootless=rootless, held=held, keep=keep)
            events.container(container, "init" if held else "start")
            _write_pid_files(container, pid)
            return pid
        except BaseException:
            for step in reversed(undo):
                _warn_on_error(step)
            raise


def _release(container: Container, status: Status) -> int:
    """Under the lock: let the command of an initialized container run."""
    failed, _, error = attach.release(container.run_directory)
    if failed:
        _clean(container)
        os.unlink(container.directory + "/status.json")  # it never ran
        raise command_error(container.record["args"][0], error)
    events.container(container, "start")
    return status.pid


def _start(
    container: Container,
    undo: list[Callable[[], None]],
    client: int,
    explain: Callable[[str], None] | None,
    *,
    rootless: bool,
    held: bool,
    keep: int,
) -> int:
    spec = container.spec()
    joined: dict[str, int] = {}
    attached: dict[str, int] = {}
    kept: list[int] = []
    own_ids = -1
    if container.record.get("userns"):
        from crun_py import userns

        own_ids = userns.enter(container)
        attached["user"] = own_ids
    connection = modes.connect(container, rootless=rootless, userns=own_ids)
    undo.append(lambda: modes.disconnect(container))
    cgroup_fd = -1
    try:
        hosts: list[str] = []
        if container.record.get("links"):
            from crun_py import links

            hosts, variables = links.resolve(container, rootless=rootless)
            spec["process"]["env"] += variables
        modes.write_files(container, connection, hosts)
        below = container.record.get("cgroup_parent") or ""
        cgroup = None if below == "-" else group.create(container.id, below)
        if cgroup:
            undo.append(lambda: group.remove(cgroup))
            os.symlink(cgroup, container.run_directory + "/cgroup")
            cgroup_fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        wanted = group.values(spec["linux"].get("resources", {}))
        group.apply(cgroup, wanted, {"pids.max": str(DEFAULT_PIDS)})
        joined.update(namespaces.join(container))
        attached.update(namespaces.shared_memory(container))
        if own_ids >= 0:
            from crun_py import userns

            userns.prepare(container, spec, own_ids, attached)
        plan = _plan(container, spec, connection, joined, attached)
        kept.extend(keep_open(plan, keep))
        if held:
            contained.hold(plan)
        _monitor_steps(plan, container, cgroup, cgroup_fd, client, connection, rootless=rootless)
        if explain:
            for line in plan.describe():
                explain(line)
        inherit = [*connection.descriptors(), *(fd for fd in (client, cgroup_fd) if fd >= 0)]
        inherit += [*joined.values(), *attached.values(), *kept]
        return launch(plan, container.id[:12], inherit)
    finally:
        connection.close()
        for fd in (*joined.values(), *attached.values(), *kept):
            os.close(fd)
        if cgroup_fd >= 0:
            os.close(cgroup_fd)


def _write_pid_files(container: Container, pid: int) -> None:
    """What --pidfile and --conmon-pidfile want.  The container runs: an error is only a warning."""
    host = container.record["host"]
    if host.get("pidfile"):
        _write_pid_file(host["pidfile"], pid)
    if host.get("conmon_pidfile"):
        _write_pid_file(host["conmon_pidfile"], container.status().monitor_pid)


def _write_pid_file(path: str, pid: int) -> None:
    _warn_on_error(lambda: jsonfile.write_bytes(path, b"%d\n" % pid, mode=0o644))


def _plan(
    container: Container,
    spec: dict[str, Any],
    connection: modes.Connection,
    joined: dict[str, int],
    attached: dict[str, int],
) -> p.Plan:
    record = container.record
    layers = [f"{container.paths.root}/{layer}" for layer in record["layers"]]
    root: rootfs.RootFs | None = None
    if record.get("rootfs"):
        spec["root"]["path"] = record["rootfs"]
    elif os.path.ismount(rootfs.merged(container.directory)):
        # `crunpy mount` shows it: one overlay, not two on the same writable layer
        spec["root"]["path"] = rootfs.merged(container.directory)
    else:
        root = rootfs.describe(
            container.directory,
            layers,
            volatile=record["auto_remove"],
            devices=bool(record["host"].get("privileged")),
        )
    if connection.namespace is not None:
        joined = {**joined, "network": connection.namespace}
    plan = contained.plan_for(
        spec,
        root,
        joined=joined,
        attached=attached,
        seccomp=contained.seccomp_program(spec, container.paths.root + "/cache"),
        reap=bool(record["host"].get("init")),
    )
    if "user" in attached:
        plan.add(p.SET_USERNS, a=attached["user"])
    plan.add(p.SET_CLONE, a=contained.clone_flags(spec, joined), b=joined.get("pid", -1))
    return plan


def _monitor_steps(
    plan: p.Plan,
    container: Container,
    cgroup: str | None,
    cgroup_fd: int,
    client: int,
    connection: modes.Connection,
    *,
    rootless: bool,
) -> None:
    record = container.record
    config, log = record["config"], record["log"]
    plan.add(p.SET_ID, container.id)
    plan.add(p.SET_CGROUP, cgroup or "", a=cgroup_fd, b=cgroup is not None)
    plan.add(p.SET_CLIENT, a=client)
    plan.add(p.SET_RUNDIR, container.run_directory)
    if not record["auto_remove"]:
        plan.add(p.SET_STATEDIR, container.directory)
    if log["driver"] != "none":
        k8s = log["driver"] == "k8s-file"
        plan.add(p.SET_LOG, container.log_path, a=log["max_bytes"], b=log["max_files"], c=k8s)
    plan.add(p.SET_STDIO, a=config["tty"], b=config["open_stdin"], c=config["stdin_once"])
    again = command(container, "cleanup", rootless=rootless)
    plan.add(p.SET_CLEANUP, *again)
    how, delay_ms = restart.for_monitor(container)
    if how:
        plan.add(p.SET_RESTART, a=how, b=delay_ms)
    if record.get("timeout"):
        plan.add(p.SET_TIMEOUT, a=record["timeout"] * 1000)
    check = config.get("healthcheck")
    if check:
        times = {"a": check["interval_ms"], "b": check["start_interval_ms"], "c": check["start_ms"]}
        plan.add(p.SET_HEALTH, *command(container, "healthcheck", rootless=rootless), **times)
    for fd in connection.held:
        plan.add(p.SET_HOLD, a=fd)


def command(container: Container, verb: str, *, rootless: bool) -> list[str]:
    """A command that the monitor runs: `cleanup`, which it becomes at the end when nobody
    else cleans up, or `healthcheck`.

    rootless: it must know; being root in the container's user namespace, it cannot see it.
    """
    main = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    roots = ["--root", container.paths.root, "--runroot", container.paths.run]
    words = ["healthcheck", "run", "--timer"] if verb == "healthcheck" else [verb]
    return [
        sys.executable,
        main,
        *roots,
        *words,
        *(["--rootless"] if rootless else []),
        container.id,
    ]


# ---- the end ----


def cleanup(
    container: Container, *, wait_for_lock: bool = True, rootless: bool | None = None
) -> None:
    """Take down what a container that has ended left, and remove it if it was run with --rm.

    rootless: given by those who also start it again if its restart policy says so, with the
    meaning it has for `start`: its monitor, which waited until then, and `sweep` for a
    monitor that was killed.
    May be called again and by several processes at once.  Does nothing while it runs.
    Raises Conflict when another process has the lock and wait_for_lock is False.
    """
    try:
        with container.lock(None if wait_for_lock else 0):
            status = container.status()
            if status.alive or not os.path.isdir(container.run_directory):
                return
            if status.state == "restarting" and status.monitor_pid != os.getpid():
                return  # its monitor waits, and cleans up itself
            again = rootless is not None and restart.due(container, status.exit_code)
            _clean(container, restarting=again)
            if container.record["auto_remove"]:
                _remove(container, anonymous_volumes=True)
        if again:
            start(container, rootless=bool(rootless), after=status)
    except FileNotFoundError:
        return  # another process has removed it
    except Conflict:
        if container.status().running:
            return  # a user was faster
        raise


def sweep(paths: Paths, *, rootless: bool) -> None:
    """Finish what killed commands and monitors left: creations, removals, ended containers,
    and restarts (rootless: as for `start`)."""
    for act in _unfinished(paths, rootless=rootless):
        _warn_on_error(act)


def needs_sweep(paths: Paths) -> bool:
    """Whether `sweep` would find something to do."""
    return next(_unfinished(paths, rootless=False), None) is not None


def _unfinished(paths: Paths, *, rootless: bool) -> Iterator[Callable[[], object]]:
    for name in _names_in(paths.containers):
        if name.startswith(".gone-"):
            yield _deferred(remove_tree, f"{paths.containers}/{name}")
        elif name.startswith(staging.PREFIX) and name.endswith(staging.SUFFIX):
            container_id = name[len(staging.PREFIX) : -len(staging.SUFFIX)]
            if staging.Staging(paths, container_id).abandoned():
                yield _deferred(_discard_staging, paths, container_id)
    for container_id in _names_in(paths.run_containers):
        status = state.status(paths, container_id)
        # a monitor that lives is still at it
        if not status.alive and not state.start_ticks(status.monitor_pid):
            yield _deferred(_sweep_one, paths, container_id, rootless)


def _deferred(act: Callable[..., None], *arguments: object) -> Callable[[], None]:
    """`act` with its arguments, for later (functools would be one more import)."""
    return lambda: act(*arguments)


def _names_in(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def _discard_staging(paths: Paths, container_id: str) -> None:
    abandoned = staging.Staging(paths, container_id)
    if not abandoned.committed:
        state.release_names(paths, container_id)
    abandoned.discard()


def _sweep_one(paths: Paths, container_id: str, rootless: bool) -> None:
    try:
        cleanup(state.load(paths, container_id), wait_for_lock=False, rootless=rootless)
    except (Conflict, CorruptState):
        return  # somebody is at it, or rm -f must decide
    except NotFound:
        remove_tree(paths.run_container(container_id))


def _clean(container: Container, *, restarting: bool = False) -> None:
    """Under the lock, for a container that does not run: everything below RUN, and the
    network and cgroup that start made.  Goes on after an error, which is told as a warning:
    nothing here may keep a container from being removed.

    restarting: its status stays, which says so as long as we live.
    """
    if os.path.isdir(container.run_directory):
        _tell_end(container)
    _warn_on_error(lambda: modes.disconnect(container))
    # the note is gone when somebody has emptied the run directory
    cgroup = container.cgroup or f"{group.base()}/{container.id}"
    if os.path.isdir(cgroup):
        _warn_on_error(lambda: group.remove(cgroup))
    if not restarting:
        _warn_on_error(lambda: remove_tree(container.run_directory))
        return
    for name in os.listdir(container.run_directory):
        if name != "status.json":
            os.unlink(f"{container.run_directory}/{name}")


def _tell_end(container: Container) -> None:
    """The events of a container's end, once: with the run directory they are told."""
    status = container.status()
    if status.state not in ("exited", "restarting"):
        return
    if status.oom_killed:
        events.container(container, "oom")
    events.container(container, "die", exitCode=str(status.exit_code))


def _warn_on_error(step: Callable[[], object]) -> None:
    try:
        step()
    except CrunpyError as e:
        os.write(2, f"crunpy: warning: {e.line()}\n".encode(errors="backslashreplace"))


def wait(container: Container) -> int:
    """Wait until `container` has ended; returns its exit code."""
    status = container.status()
    if status.running:
        try:
            session = attach.Session(attach.connect(container.run_directory), 0, terminal=False)
        except NotFound:
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
    kill: bool = False,
    for_good: bool = True,
) -> None:
    """The stop signal, and SIGKILL after timeout_s (None: the container's own; -1: never).

    kill: SIGKILL at once.  for_good: no restart policy starts it again.  Returns when the end
    is noted and cleaned up.
    """
    config = container.record["config"]
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
            signal_it(container, status, config["stop_signal"])
        if kill or not _ended_within(status, None if patience < 0 else patience):
            _kill(container, status)
        # the monitor still finishes log and status; one that was killed does not answer
        if watch:
            watch.serve(timeout_s=_MONITOR_PATIENCE_S)
    finally:
        if watch:
            watch.close()
    cleanup(container)
    events.container(container, "stop")


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
            _clean(container)


def _watch(container: Container) -> attach.Session | None:
    """A connection to the monitor that promises to clean up, so that it need not."""
    try:
        return attach.Session(
            attach.connect(container.run_directory), attach.CLEANER, terminal=False
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


def remove(container: Container, *, force: bool = False, anonymous_volumes: bool = False) -> None:
    """Remove `container` and its writable layer.

    force: kill it first.  anonymous_volumes: remove those made for it alone, too.
    Raises Conflict when it runs and force is not given.
    """
    status = container.status()
    if (status.running or status.state == "restarting") and not force:
        raise Conflict(
            f"removing container {container.name}: it is {status.state}",
            hint=f"stop it first, or crunpy rm -f {container.name}",
        )
    if status.alive or status.state == "restarting":
        stop(container, kill=True)
    try:
        with container.lock():
            if container.status().alive:
                raise Conflict(f"removing container {container.name}: it was started just now")
            _clean(container)
            volumes_too = anonymous_volumes or container.record["auto_remove"]
            _remove(container, anonymous_volumes=volumes_too)
    except FileNotFoundError:
        return  # --rm was faster


def _remove(container: Container, *, anonymous_volumes: bool) -> None:
    """Under the lock.  Deleting needs no new bytes: the directory is renamed, then emptied."""
    paths = container.paths
    if os.path.isdir(rootfs.merged(container.directory)):
        from crun_py import mounts

        mounts.hide(container)
    trash = f"{paths.containers}/.gone-{container.id}"
    os.rename(container.directory, trash)
    state.release_name(paths, container.name, container.id)
    remove_tree(trash)
    events.container(container, "remove")
    if anonymous_volumes:
        for entry in container.record["mounts"]:
            if entry.get("anonymous"):
                try:
                    volumes.remove(paths, entry["name"])
                except NotFound:
                    continue


def dependencies(container: Container) -> set[str]:
    """The ids of the containers whose namespaces `container` shares."""
    return {m.partition(":")[2] for m in container.modes if m.startswith("container:")}


def remove_broken(paths: Paths, container_id: str) -> None:
    """Kill and remove a container whose record cannot be read."""
    container = Container(paths, {"id": container_id, "name": container_id[:12]})
    status = container.status()
    if status.running:
        _kill(container, status)
    _clean(container)
    remove_tree(container.directory)
    state.release_names(paths, container_id)
