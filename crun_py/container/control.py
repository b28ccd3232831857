"""What is done to a container between its start and its end, or to its record: pause,
unpause, restart, rename, update."""

from __future__ import annotations

import contextlib

from crun_py import events, jsonfile, state
from crun_py.cgroup import group, manager
from crun_py.container import ending, lifecycle, restart
from crun_py.container.resources import parted
from crun_py.container.resources import resources as resources_of
from crun_py.errors import Conflict, InvalidArgument, Unsupported
from crun_py.model.container import Limits
from crun_py.record import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.documents.container import Record
    from crun_py.model.container import RestartPolicy
    from crun_py.state import Container


def pause(container: Container, paused: bool = True) -> None:
    """Freeze all processes of a running container, or let them go on.

    Raises Conflict when it is not in the state for that, Unsupported without a freezer.
    """
    status = container.status()
    wanted = "running" if paused else "paused"
    verb = "pausing" if paused else "unpausing"
    if status.state != wanted:
        raise Conflict(f"{verb} container {container.name}: it is {status.state}, not {wanted}")
    if container.cgroup is None:
        raise Unsupported(
            f"{verb} container {container.name}: it has no cgroup v2, whose freezer does it",
            hint=group.hint(),
        )
    try:
        group.freeze(container.cgroup, paused, what=f"container {container.name}")
    except Unsupported:
        if container.status().running:
            raise
        raise Conflict(f"{verb} container {container.name}: it is not running any more") from None
    events.container(container, "pause" if paused else "unpause")


def again(container: Container, timeout_s: int | None, *, signal: int = 0, rootless: bool) -> None:
    """Stop `container` if it runs, and start it.  For the arguments see ending.stop, start."""
    ending.stop(container, timeout_s, signal=signal)
    lifecycle.start(container, rootless=rootless)
    events.container(container, "restart")


def rename(container: Container, name: str) -> None:
    """Give `container` another name.  Raises InvalidArgument, Conflict when it is taken."""
    name = state.check_name(name.removeprefix("/"))
    with container.lock():
        container.reload()  # another rename may have been faster
        old = container.name
        if name == old:
            raise InvalidArgument(f"renaming container {old}: that is its name already")
        state.take_name(container.paths, name, container.id)
        try:
            _rewrite(container, {**container.record, "name": name})
        except BaseException:
            state.release_name(container.paths, name, container.id)
            raise
        state.release_name(container.paths, old, container.id)
        from crun_py.net import reconnect

        reconnect.renamed(container)
    events.container(container, "rename", oldName=f"/{old}")


def _rewrite(container: Container, record: Record) -> None:
    """Replace container.json.  Under the lock."""
    jsonfile.write(container.directory + "/container.json", record)
    container.record = record


def update(container: Container, limits: Limits, policy: RestartPolicy | None = None) -> None:
    """Change limits and the restart policy (None: it stays), at once and for later starts.

    Raises Unsupported when this host cannot apply a limit to the running container; nothing is
    changed then.
    """
    changed = {
        name: value
        for name, value in to_json(limits).items()
        if value not in (None, "", {}) and (value != 0 or not name.startswith("memory_"))
    }  # no memory at all, docker's 0, is no change
    if not changed and policy is None:
        raise InvalidArgument("updating: nothing to change", hint="crunpy update --help")
    with container.lock():
        container.reload()
        before = container.record["host"]
        merged = from_json(Limits, {**before.get("limits", {}), **changed})
        record: Record = {**container.record, "host": {**before, "limits": to_json(merged)}}
        spec = container.spec()
        resources = resources_of(merged)
        if policy is not None:
            if record["auto_remove"] and policy.name != "no":
                raise InvalidArgument(
                    f"updating container {container.name}: it was run with --rm, "
                    "which conflicts with a restart policy"
                )
            record["restart"] = {"name": policy.name, "max": policy.retries}
        if changed:
            if container.status().running:
                _limit(container.cgroup, *parted(resources, swap=merged.memory_swap_bytes))
            spec["linux"]["resources"] = {**spec["linux"].get("resources", {}), **resources}
            jsonfile.write(container.directory + "/config.json", spec)
        _rewrite(container, record)
        if policy is not None and container.status().running:
            restart.begin(container)
    events.container(container, "update")


def _limit(cgroup: str | None, files: dict[str, str], usual: dict[str, str]) -> None:
    """Set limits of a running container; of a scope, let systemd know of them.  usual: where the
    host can keep them."""
    group.check(cgroup, files)
    if cgroup and manager.is_scope(cgroup):
        from crun_py.cgroup import scope

        scope.change(cgroup, usual | files)
    group.apply(cgroup, files, usual)


@contextlib.contextmanager
def frozen(container: Container, wanted: bool | None) -> Iterator[None]:
    """Inside it the processes of a container that runs stand still.

    wanted: None: where the host can do that.  Raises Unsupported.
    """
    cgroup = container.cgroup if wanted is not False and container.status().running else None
    if wanted and not cgroup and container.status().active:
        raise Unsupported(
            f"pausing container {container.name}: it has no cgroup here",
            hint="--pause=false lets it run",
        )
    if not cgroup or not container.status().active:
        yield
        return
    stands = _freeze(container, cgroup, True)
    try:
        yield
    finally:
        if stands:
            _freeze(container, cgroup, False)


def _freeze(container: Container, cgroup: str, wanted: bool) -> bool:
    """Whether it was done: one that has just ended has no processes that move."""
    try:
        group.freeze(cgroup, wanted, what=f"container {container.name}")
    except Unsupported:
        if container.status().running:
            raise
        return False
    return True
