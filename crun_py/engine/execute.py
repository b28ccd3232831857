"""`exec`: one more command in a container that runs."""

from __future__ import annotations

from crun_py import state
from crun_py.container import execute as at_work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.model.container import Client, ExecRequest


def execute(context: Context, name: str, request: ExecRequest, client: Client) -> int:
    """Run a command in the container `name` ("": the newest); its exit code, 0 when detached.

    Raises NotFound, Conflict when the container does not run, CommandError.
    """
    container = state.find(context.paths, name) if name else state.latest(context.paths)
    status = at_work.running(container)
    context.join(status)
    return at_work.execute(container, status, request, client, explain=context.explain)
