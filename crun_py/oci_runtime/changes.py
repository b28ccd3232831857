"""Changes to the limits of a container that is there."""

from __future__ import annotations

from crun_py.cgroup import group
from crun_py.errors import Conflict
from crun_py.oci_runtime import resctrl, usage
from crun_py.oci_runtime.life import expect, processes
from crun_py.record import replaced
from crun_py.runtime import check_resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.spec import IntelRdt, LinuxResources
    from crun_py.oci_runtime.state import Container, State


def update(container: Container, resources: LinuxResources, rdt: IntelRdt) -> None:
    """Change its limits, and where `rdt` says them its shares of RDT's.

    Raises InvalidArgument, Conflict when it uses more memory already and the limits ask for that to
    be looked at, Unsupported for those that the host cannot hold.
    """
    with container.lock():
        known = container.read()
        expect(container, known, "updating", "created", "running", "paused")
        memory = resources.get("memory", {})
        if "swap" in memory and "limit" not in memory:
            memory["limit"] = _memory_limit(known.cgroup)
        check_resources.check(resources, "resources")
        if memory.get("checkBeforeUpdate"):
            _check_use(container, known.cgroup, memory.get("limit", 0))
        group.apply(known.cgroup or None, group.values(resources), {})
        if rdt:
            _share(container, known, rdt)


def _memory_limit(cgroup: str) -> int:
    """What it is limited to, -1 for nothing."""
    return usage.number(cgroup, "memory.max") or -1


def _check_use(container: Container, cgroup: str, limit: int) -> None:
    used = usage.number(cgroup, "memory.current")
    if 0 < limit < used:
        raise Conflict(f"updating container {container.id}: it uses {used} bytes of memory, "
                       f"more than the limit {limit}")  # fmt: skip


def _share(container: Container, known: State, rdt: IntelRdt) -> None:
    """Change what its group of RDT has; one that had none gets its own."""
    if known.resctrl:
        resctrl.share(known.resctrl[0], rdt)
        return
    planned = resctrl.plan(container.id, rdt)
    container.write(replaced(known, resctrl=planned.places, resctrl_made=planned.made))
    try:
        resctrl.make(planned, rdt)
        for pid in processes(container):
            resctrl.add(planned.places, pid)
    except BaseException:
        resctrl.remove(planned.made)
        container.write(known)
        raise
