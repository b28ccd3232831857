"""The life of a container after `create`: start, and what is to be done after its end.

start    lock → network → files → cgroup → plan → launch; undone in reverse on an error
cleanup  what start made and the kernel did not take back itself (ending.py), and the next
         start, if a restart policy wants one
sweep    what killed commands and monitors left
"""

from __future__ import annotations

import os
import sys

import crun_py
from crun_py import events, notices, staging, state
from crun_py.cgroup import group
from crun_py.container import attach, ending, failure, namespaces, restart
from crun_py.errors import CommandError, Conflict, CorruptState, NotFound
from crun_py.net import modes
from crun_py.overlay import rootfs
from crun_py.paths import Paths, private_dir
from crun_py.runtime import container as contained
from crun_py.runtime import plan as p
from crun_py.runtime.launch import command_error, keep_open, launch, read_result
from crun_py.state import Container, Status
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

DEFAULT_PIDS = 2048


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
        if os.path.isdir(container.run_directory):  # else it does not run
            status = container.status()
            if status.running:
                raise Conflict(f"starting container {container.name}: it is running already")
            if status.state == "initialized":
                return _release(container, status)
            if after is None:
                ending.clean(container)
        private_dir(container.run_directory)
        private_dir(container.paths.run + "/rootfs")
        undo: list[Callable[[], None]] = [lambda: remove_tree(container.run_directory)]
        try:
            restart.begin_again(container, after) if after else restart.begin(container)
            pid = _start(container, undo, client, explain, rootless=rootless, held=held, keep=keep)
            failure.forget(container)
            events.container(container, "init" if held else "start")
            _write_pid_files(container, pid)
            return pid
        except BaseException as e:
            for step in reversed(undo):
                ending.warn_on_error(step)
            if isinstance(e, CommandError):
                failure.note(container, e)
            raise


def _release(container: Container, status: Status) -> int:
    """Under the lock: let the command of an initialized container run."""
    failed, _, error, _, about = read_result(attach.release(container.run_directory))
    if failed:
        ending.clean(container)
        os.unlink(container.directory + "/status.json")  # it never ran
        raise command_error(container.record["args"][0], error, about)
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
        own_ids = namespaces.user(container)
        attached["user"] = own_ids
    try:
        connection = modes.connect(container, rootless=rootless, userns=own_ids)
    except BaseException:
        namespaces.close(attached)
        raise
    undo.append(lambda: modes.disconnect(container))
    cgroup_fd = -1
    try:
        hosts: list[str] = []
        if container.record.get("links"):
            from crun_py.container import links

            hosts, variables = links.resolve(container, rootless=rootless)
            spec["process"]["env"] = [*spec["process"]["env"], *variables]
        modes.write_files(container, connection, hosts)
        below = container.record.get("cgroup_parent") or ""
        cgroup = None if below == "-" else group.create(container.id, below)
        if cgroup:
            undo.append(lambda: group.remove(cgroup))
            os.symlink(cgroup, container.run_directory + "/cgroup")
            cgroup_fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            _warn_systemd(container)
        wanted = group.values(spec["linux"].get("resources", {}))
        optional = {"pids.max": str(DEFAULT_PIDS)}
        if container.record["host"].get("pids_optional"):  # a file's default, not a wish
            optional |= {name: wanted.pop(name) for name in ("pids.max",) if name in wanted}
        group.apply(cgroup, wanted, optional)
        joined.update(namespaces.join(container))
        attached.update(namespaces.shared_mounts(container))
        if own_ids >= 0:
            from crun_py.container import userns

            userns.prepare(container, spec, own_ids, attached)
        if any("shared" in word for m in container.record["mounts"] for word in m["options"]):
            from crun_py.container import propagation

            propagation.trees(spec, attached)
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
        undo.append(lambda: ending.kill_left(container))
        return launch(plan, container.id[:12], inherit)
    finally:
        connection.close()
        for fd in (*joined.values(), *attached.values(), *kept):
            os.close(fd)
        if cgroup_fd >= 0:
            os.close(cgroup_fd)


def _warn_systemd(container: Container) -> None:
    """systemd ends at once, without a word, where it may make no control groups."""
    from crun_py.container.record import is_systemd

    if is_systemd(container.record["host"].get("systemd", "true"), container.record["args"]):
        hint = "as a user, have one delegated (systemd: Delegate=yes)"
        notices.warn(f"systemd in container {container.name} has no cgroup of its own: {hint}")


def _write_pid_files(container: Container, pid: int) -> None:
    """What --pidfile and --conmon-pidfile want.  The container runs: an error is only a warning."""
    host = container.record["host"]
    if host.get("pidfile"):
        _write_pid_file(host["pidfile"], pid)
    if host.get("conmon_pidfile"):
        _write_pid_file(host["conmon_pidfile"], container.status().monitor_pid)


def _write_pid_file(path: str, pid: int) -> None:
    from crun_py import outfile

    ending.warn_on_error(lambda: outfile.write(path, b"%d\n" % pid, 0o644))


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
    main = os.path.join(os.path.abspath(crun_py.__path__[0]), "__main__.py")
    roots = ["--root", container.paths.root, "--runroot", container.paths.run]
    words = ["healthcheck", "run", "--timer"] if verb == "healthcheck" else [verb]
    return [
        sys.executable,
        "-I",
        main,
        *roots,
        *words,
        *(["--rootless"] if rootless else []),
        container.id,
    ]


# ---- after the end ----


def cleanup(container: Container, *, rootless: bool, wait_for_lock: bool = True) -> None:
    """Take down what a container that has ended left (ending.end), and start it again if its
    restart policy says so.

    Called by the foreground command; by its monitor, which waited until then; and by `sweep`
    for a monitor that was killed.  rootless: as for `start`.
    Raises Conflict when another process has the lock and wait_for_lock is False.
    """
    last = ending.end(container, wait_for_lock=wait_for_lock, restarts=True)
    if last is None:
        return
    try:
        start(container, rootless=rootless, after=last)
    except FileNotFoundError:
        return  # another process has removed it
    except Conflict:
        if not container.status().running:  # else a user was faster
            raise


_FEW = 16


def sweep(paths: Paths, *, rootless: bool, few: bool = False, name: str = "") -> None:
    """Finish what killed commands and monitors left: creations, removals, ended containers,
    and restarts (rootless: as for `start`).

    few: where many containers run, look only at a few of them, others each time, and at the
    one that has `name`; at all when one of these was left.  For a command that wants nothing
    that one of the others may have.
    """
    for act in _unfinished(paths, rootless=rootless, few=few, name=name):
        ending.warn_on_error(act)


def needs_sweep(paths: Paths) -> bool:
    """Whether `sweep` would find something to do."""
    return next(_unfinished(paths, rootless=False), None) is not None


def _unfinished(
    paths: Paths, *, rootless: bool, few: bool = False, name: str = ""
) -> Iterator[Callable[[], object]]:
    for entry in _names_in(paths.containers):
        if entry[0] != ".":
            continue
        if entry.startswith(ending.GONE):
            yield _deferred(_discard_gone, paths, entry.removeprefix(ending.GONE))
        elif entry.startswith(staging.PREFIX) and entry.endswith(staging.SUFFIX):
            container_id = entry[len(staging.PREFIX) : -len(staging.SUFFIX)]
            if staging.Staging(paths, container_id).abandoned():
                yield _deferred(_discard_staging, paths, container_id)
    if os.path.isdir(paths.root + "/build"):
        from crun_py import workspace

        for containers, remove in workspace.abandoned(paths):
            yield _deferred(_discard_build, paths, containers, remove)
    begun = _names_in(paths.run_containers)
    if few and len(begun) > _FEW:
        at = int.from_bytes(os.urandom(4), "little") % len(begun)
        some = [*begun[at : at + _FEW], *begun[: max(0, at + _FEW - len(begun))]]
        holder = state.name_holder(paths, name) if name else None
        if not any(state.left(paths, i) for i in [*some, *([holder] if holder in begun else [])]):
            return
    for container_id in begun:
        if state.left(paths, container_id):
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
    from crun_py import volumes

    abandoned = staging.Staging(paths, container_id)
    if not abandoned.committed:
        state.release_names(paths, container_id)
    remove_tree(volumes.staged(paths, container_id))
    abandoned.discard()


def _discard_gone(paths: Paths, container_id: str) -> None:
    state.release_names(paths, container_id)
    remove_tree(paths.containers + "/" + ending.GONE + container_id)


def _discard_build(paths: Paths, containers: list[str], remove: Callable[[], None]) -> None:
    """What runs for a build that was killed must end."""
    for container_id in containers:
        try:
            ending.remove(state.load(paths, container_id), force=True)
        except NotFound:
            continue  # it has ended meanwhile
    remove()


def _sweep_one(paths: Paths, container_id: str, rootless: bool) -> None:
    try:
        cleanup(state.load(paths, container_id), wait_for_lock=False, rootless=rootless)
    except (Conflict, CorruptState):
        return  # somebody is at it, or rm -f must decide
    except NotFound:
        remove_tree(paths.run_container(container_id))
