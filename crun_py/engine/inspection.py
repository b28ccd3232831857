"""What can be seen of a container from outside: its ports, processes and changed files."""

from __future__ import annotations

from crun_py import state
from crun_py.model.running import ProcessTable, PublishedPort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.engine.context import Context
    from crun_py.model.files import FileChange

CALLS = ("ports", "processes", "changes")


def ports(context: Context, name: str) -> tuple[PublishedPort, ...]:
    """The published ports of a container that runs, with the host's ports really used; none of
    another one.  Raises NotFound."""
    from crun_py.show.published import attached_ports

    container = state.find(context.paths, name)
    if not container.status().running:
        return ()
    return tuple(
        PublishedPort(
            container_port=int(found["container_port"]),
            protocol=found["protocol"],
            host_ip=found["host_ip"] or "0.0.0.0",
            host_port=int(found["host_port"]),
        )
        for found in attached_ports(container)
    )


def processes(context: Context, name: str, columns: Sequence[str] = ()) -> ProcessTable:
    """The processes of a container that runs.

    columns: podman's descriptors (user, pid, args, …), else options of ps(1), which is `ps -ef`
    unless any are given.  Raises NotFound, Conflict, InvalidArgument (refused by ps).
    """
    from crun_py.show import processes as seen
    from crun_py.show import top

    container = state.find(context.paths, name)
    status = seen.running(container, "listing processes of")
    fields = top.descriptors([*columns]) if columns else None
    if fields:
        context.join(status)
        heading, *rows = top.table(container, status, fields)
    else:
        heading, *rows = top.by_ps(container, status, [*columns] or ["-ef"])
    return ProcessTable(titles=tuple(heading), processes=tuple(map(tuple, rows)))


def changes(context: Context, name: str) -> tuple[FileChange, ...]:
    """What a container has changed in its files since it was created.

    Raises NotFound, Unsupported for one whose root is a directory of the host.
    """
    from crun_py.container import inside
    from crun_py.model.files import FileChange

    container = state.find(context.paths, name)
    context.enter()
    with inside.changes(container) as changes:
        found = changes.found()
    return tuple(FileChange(kind=kind, path=path) for kind, path in found)
