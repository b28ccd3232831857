"""The life of a container after `create`: start, and what is to be done after its end.

start    under the container's lock, the steps of launching.Launch; undone in reverse on an error
cleanup  what start made and the kernel did not take back itself (ending.py), and the next
         start, if a restart policy wants one
sweep    what killed commands and monitors left
"""

from __future__ import annotations

import os

from crun_py import events, staging, state
from crun_py.container import attach, elsewhere, ending, failure, restart
from crun_py.container.launching import Launch
from crun_py.errors import CommandError, Conflict, CorruptState, NotFound
from crun_py.paths import Paths, private_dir
from crun_py.runtime.launch import command_error, read_result
from crun_py.state import Container, Status
from crun_py.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    notify: str = "",
) -> int:
    """Start `container`; returns the host pid of its first process.

    rootless: the process entered a user namespace of its own (ns/user.py).
    client:   the monitor's end of the first client's socket (attach.socketpair), or -1.
    explain:  is given the lines of the plan before it is carried out (--debug).
    keep:     how many of our descriptors from 3 on the command gets (--preserve-fds).
    after:    the run that ended, when its restart policy starts it and no user.
    notify:   the address of the service manager's socket (NOTIFY_SOCKET), if one is to be told.
    held:     make everything, but let the command wait until the next `start`.
    Raises Conflict when it runs already, CommandError when its command cannot be run.
    """
    for other in container.record["requires"]:
        required = state.load(container.paths, other)
        if not required.status().running:
            try:
                start(required, rootless=rootless)
            except Conflict:
                if not required.status().running:  # else another command was faster
                    raise
    with container.lock():
        if os.path.isdir(container.run_directory):  # else it does not run
            status = container.status()
            if status.running:
                raise Conflict(f"starting container {container.name}: it is running already")
            if status.state == "initialized":
                pid = _release(container, status)
                _notify(container, notify)
                return pid
            if after is None:
                ending.clean(container)
        if lost := container.status().log_lost:
            from crun_py import logs

            logs.note_loss(container, lost)
        private_dir(container.run_directory)
        private_dir(container.paths.run + "/rootfs")
        undo: list[Callable[[], None]] = [lambda: remove_tree(container.run_directory)]
        try:
            if container.record["auto_remove"]:
                staging.note_transient(container.directory, started=True)
            restart.begin_again(container, after) if after else restart.begin(container)
            with Launch(
                container,
                undo,
                client=client,
                keep=keep,
                held=held,
                rootless=rootless,
                explain=explain,
                notify=notify,
            ) as launch:
                pid = launch.carry_out()
            failure.forget(container)
            events.container(container, "init" if held else "start")
            _write_pid_files(container, pid)
            if not held:
                _notify(container, notify)
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
        raise command_error(
            container.record["args"][0],
            error,
            about,
            labelled=bool(container.record.get("selinux")),
        )
    events.container(container, "start")
    return status.pid


def _write_pid_files(container: Container, pid: int) -> None:
    """What --pidfile and --conmon-pidfile want.  The container runs: an error is only a warning."""
    host = container.record["host"]
    if host.get("pidfile"):
        _write_pid_file(host["pidfile"], pid)
    if host.get("conmon_pidfile"):
        _write_pid_file(host["conmon_pidfile"], container.status().monitor_pid)


def _notify(container: Container, service: str) -> None:
    if service:
        from crun_py.container import notify

        ending.warn_on_error(lambda: notify.started(container, service))


def _write_pid_file(path: str, pid: int) -> None:
    from crun_py import outfile

    ending.warn_on_error(lambda: outfile.write(path, b"%d\n" % pid, 0o644))


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
    if not _looked_after_boot(paths):
        _note_look(paths)


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
    if os.path.isdir(paths.pods):
        from crun_py import pods

        for pod_id in pods.abandoned(paths):
            yield _deferred(_discard_pod, paths, pod_id)
    for container_id in outlived(paths):
        yield _deferred(_discard_transient, paths, container_id)
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


def outlived(paths: Paths) -> Iterator[str]:
    """Containers of --rm that an earlier boot left: they ran, or their files are lost."""
    if not _looked_after_boot(paths):
        for container_id, started in staging.outlived(paths):
            if elsewhere.runs(paths, container_id):
                continue
            if started or not _whole(paths, container_id):
                yield container_id


def _looked_after_boot(paths: Paths) -> bool:
    """Whether this boot has seen a sweep: what earlier ones left of --rm is gone then."""
    try:
        return os.readlink(paths.run + "/swept") == state.boot_id()
    except OSError:
        return False


def _note_look(paths: Paths) -> None:
    note = private_dir(paths.run) + "/swept"
    try:
        if os.path.islink(note):
            os.unlink(note)
        os.symlink(state.boot_id(), note)
    except (FileExistsError, FileNotFoundError):
        return  # another command has just looked, too


def _whole(paths: Paths, container_id: str) -> bool:
    """Whether a container can be started: its files are there, and of what shape they must be."""
    try:
        state.load(paths, container_id).spec()
    except (CorruptState, NotFound):
        return False
    return True


def _discard_transient(paths: Paths, container_id: str) -> None:
    """What a reboot or a power cut left of a container that would have gone when it ended."""
    try:
        ending.remove(state.load(paths, container_id))
    except CorruptState:
        ending.remove_broken(paths, container_id)
    except NotFound:
        return  # another sweep was faster


def _discard_pod(paths: Paths, pod_id: str) -> None:
    """What a killed command left of a pod that it made or removed."""
    from crun_py.container import pods

    pods.discard(paths, pod_id)


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
