"""`exec`: one more command in a container that runs."""

from __future__ import annotations

from crun_py import state
from crun_py.container import execute as at_work
from crun_py.model.container import Client
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.engine.context import Context
    from crun_py.model.container import ExecRequest
    from crun_py.model.descriptor import Descriptor
    from crun_py.model.state import Finished

CALLS = ("detached", "captured", "streamed")


def execute(
    context: Context,
    name: str,
    request: ExecRequest,
    client: Client,
    sink: Callable[[int, memoryview], None] | None = None,
    timeout_s: float | None = None,
) -> int:
    """Run a command in the container `name` ("": the newest); its exit code, 0 when detached.

    sink: is given what it writes, with 1 or 2, instead of the client's files.  timeout_s: the
    command is killed then, and its exit code is 137.
    Raises NotFound, Conflict when the container does not run, CommandError.
    """
    container = state.find(context.paths, name) if name else state.latest(context.paths)
    status = at_work.running(container)
    context.join(status)
    return at_work.execute(
        container,
        status,
        request,
        client,
        explain=context.explain,
        sink=sink,
        timeout_s=timeout_s,
    )


def detached(context: Context, name: str, request: ExecRequest) -> None:
    """Start a command in a container.  Raises as `execute`."""
    execute(context, name, replaced(request, detach=True), Client())


def captured(
    context: Context,
    name: str,
    request: ExecRequest,
    *,
    stdin: bytes = b"",
    timeout_s: float | None = None,
    live: bool = False,
) -> Finished:
    """Run a command in a container to its end; what it wrote.

    stdin: what it reads, if request.open_stdin.  live: what it writes is reported as it comes,
    and not kept.  Otherwise as `execute`.
    """
    from crun_py.engine.streams import Captured

    container = state.find(context.paths, name)
    with Captured(stdin, context.report if live else None) as io:
        code = execute(context, container.id, request, io.client, io.keep, timeout_s)
    return io.finished(container.id, code)


def streamed(
    context: Context,
    name: str,
    request: ExecRequest,
    stdin: Descriptor | None,
    stdout: Descriptor | None,
    stderr: Descriptor | None,
    sizes: Descriptor | None = None,
) -> Iterator[int]:
    """Run a command in a container whose streams are descriptors; 0 at once, then its exit code.

    sizes: of its terminal, see Client.
    """
    from crun_py.engine.streams import opened

    yield 0
    with opened(stdin, stdout, stderr, sizes=sizes) as client:
        yield execute(context, name, request, client)
