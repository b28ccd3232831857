"""The cgroup of a pod, above those of its containers: for limits of all of them together.

A pod without limits and without a parent of its own has none.  It is a slice where systemd makes
the cgroups, else a group of ours.  It is made by the first start that needs it, also after a boot,
and goes with the pod.
"""

from __future__ import annotations

import os

from crun_py.cgroup import group, manager
from crun_py.container.resources import parted, resources
from crun_py.errors import Unsupported
from crun_py.model.container import Limits
from crun_py.record import from_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.state import Container

_SLICE = ".slice"


def chosen(pod_id: str, parent: str, limits: Limits, asked: str, *, rootless: bool) -> str:
    """What the containers of a pod are to have as their cgroup_parent, "" for the usual one.

    parent: the path of a cgroup, or a slice, that the pod's is to be below.  asked: who makes it,
    "" for systemd where it is there.  Raises InvalidArgument, Unsupported.
    """
    manager.check(asked, parent)
    resources(limits)
    if not parent and limits == Limits():
        return ""
    if manager.chosen(asked, parent, rootless=rootless) == manager.SYSTEMD:
        above = parent or ("user.slice" if rootless else "machine.slice")
        return f"{os.path.basename(above).removesuffix(_SLICE)}-crunpy_pod_{pod_id}{_SLICE}"
    base = group.base()
    if not parent and base is None:
        raise Unsupported("limits of a pod: no cgroup can be made here", hint=group.hint())
    above = parent or str(base).removeprefix(group.mount_point() or "")
    return f"/{above.strip('/')}/pod-{pod_id}"


def ready(container: Container, *, rootless: bool) -> None:
    """Make the cgroup of a container's pod, with its limits, unless it is there."""
    from crun_py import pods

    where = container.record["cgroup_parent"]
    if not _is_of(where, container.record["pod"]):
        return
    limits = from_json(Limits, pods.load(container.paths, container.record["pod"]).record["limits"])
    files, usual = parted(resources(limits), swap=limits.memory_swap_bytes)
    if where.endswith(_SLICE):
        from crun_py.cgroup.properties import properties
        from crun_py.cgroup.systemd import Systemd, Unit

        words = [("Description", ("s", "crunpy pod")), *properties(usual | files)]
        systemd = Systemd(rootless=rootless)
        try:
            systemd.ensure(Unit(where, words))
        finally:
            systemd.close()
        return
    group.share(f"{group.mount_point() or ''}{where}", files, usual)


def remove(container: Container, *, rootless: bool) -> None:
    """Remove the cgroup of the pod that a container was of, the last one, too."""
    where = container.record["cgroup_parent"]
    if not _is_of(where, container.record.get("pod", "")):
        return
    if where.endswith(_SLICE):
        from crun_py.cgroup.systemd import Systemd

        systemd = Systemd(rootless=rootless)
        try:
            systemd.stop(where)
        finally:
            systemd.close()
        return
    group.remove(f"{group.mount_point() or ''}{where}")


def _is_of(where: str, pod_id: str) -> bool:
    return bool(pod_id) and pod_id in where
