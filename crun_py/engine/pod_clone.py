"""`pod clone`."""

from __future__ import annotations

from crun_py import pods
from crun_py.container import lifecycle, pod_clone
from crun_py.engine import pod_making
from crun_py.engine import pods as engine_pods

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context

CALLS = ("clone",)


def clone(
    context: Context, name: str, new_name: str = "", *, start: bool = False, destroy: bool = False
) -> str:
    """Make a pod like another one, with containers like its own; its id.

    new_name: NAME-clone unless given.  destroy: the other one is removed then, as by force, before
    the new one runs (start).  Raises NotFound, Conflict, Unsupported, and as pods.start.
    """
    pod = pods.find(context.paths, name)

    def act() -> str:
        context.enter()
        lifecycle.sweep(context.paths, rootless=context.rootless, few=True, name=new_name)
        return pod_clone.clone(pod, new_name).id

    pod_id = pod_making.in_own_process(act, f"pod {pod.name}")
    if destroy:
        engine_pods.remove(context, pod.id, force=True)
    if start:
        engine_pods.start(context, pod_id)
    return pod_id
