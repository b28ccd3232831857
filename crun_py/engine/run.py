"""`run`, `start`, `attach`: a container begins, and a client stays with it or not."""

from __future__ import annotations

from crun_py import events, state
from crun_py.container import attach, ending, foreground, lifecycle
from crun_py.engine import create
from crun_py.errors import Conflict, NotFound
from crun_py.model.container import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.engine.context import Context
    from crun_py.model.container import CreateRequest
    from crun_py.model.descriptor import Descriptor
    from crun_py.model.registry import PullRequest
    from crun_py.model.state import ContainerInfo, Finished
    from crun_py.state import Container

CALLS = ("begin", "captured", "streamed", "started_streamed", "start", "init")


def run(
    context: Context,
    request: CreateRequest,
    wanted: PullRequest,
    client: Client,
    *,
    subnet: str = "",
    remove_image: bool = False,
) -> int:
    """Make and start a container, stay with it to its end; its exit code, 0 after the detach keys.

    remove_image: afterwards, when nothing else uses it.  Otherwise as create.make.
    """
    foreground.check(request.tty, request.open_stdin, client)
    container = create.make(context, request, wanted, subnet=subnet)
    code = foreground.run(
        container,
        client,
        rootless=context.rootless,
        explain=context.explain,
        notify=context.notify_socket,
    )
    if remove_image:
        _remove_image(container, context)
    return code


def run_detached(
    context: Context,
    request: CreateRequest,
    wanted: PullRequest,
    *,
    subnet: str = "",
    keep: int = 0,
) -> str:
    """Make and start a container; its id.  keep: as of Client.  Raises as create.make."""
    container = create.make(context, request, wanted, subnet=subnet)
    try:
        lifecycle.start(
            container,
            rootless=context.rootless,
            explain=context.explain,
            keep=keep,
            notify=context.notify_socket,
        )
    except BaseException:
        foreground.discard(container)
        raise
    return container.id


def begin(
    context: Context, request: CreateRequest, wanted: PullRequest, confirmation: Descriptor
) -> Iterator[ContainerInfo]:
    """Make and start a container for a caller who confirms that he has it, see `handover`.

    Raises as create.make, and CommandError; nothing is left then.
    """
    from crun_py.engine import handover

    def start(container: Container) -> None:
        lifecycle.start(container, rootless=context.rootless, explain=context.explain)

    return handover.handed_over(context, request, wanted, confirmation, start)


def captured(
    context: Context,
    request: CreateRequest,
    wanted: PullRequest,
    *,
    stdin: bytes = b"",
    timeout_s: float | None = None,
    live: bool = False,
) -> Finished:
    """Make and start a container, and wait for its end; what it wrote.

    stdin: what it reads, if request.open_stdin.  timeout_s: it is killed then.  live: what it
    writes is reported as it comes, and not kept.  An interrupt kills it.  Raises as create.make,
    and CommandError.
    """
    from crun_py.engine import handover
    from crun_py.engine.streams import Captured

    with Captured(stdin, context.report if live else None) as io:
        container = create.make(context, request, wanted, before=handover.hold_interrupts)
        try:
            handover.let_interrupts_through()
            code = foreground.run(
                container,
                io.client,
                rootless=context.rootless,
                explain=context.explain,
                sink=io.keep,
                timeout_s=timeout_s,
            )
        except KeyboardInterrupt:
            foreground.discard(container)  # with --rm
            if container.status().alive:
                ending.stop(container, kill=True)
            raise
    return io.finished(container.id, code)


def streamed(
    context: Context,
    name: str,
    stdin: Descriptor | None,
    stdout: Descriptor | None,
    stderr: Descriptor | None,
) -> Iterator[int]:
    """Pass the streams of a container that runs on to descriptors until it ends; 0 at once, then
    its exit code."""
    from crun_py.engine.streams import opened

    yield 0
    with opened(stdin, stdout, stderr) as client:
        yield attached(context, name, client)


def started_streamed(
    context: Context,
    name: str,
    stdin: Descriptor | None,
    stdout: Descriptor | None,
    stderr: Descriptor | None,
) -> Iterator[int]:
    """As `streamed`, of a container that is started then: nothing is missed.  context.report is
    given a Started."""
    from crun_py.engine.streams import opened
    from crun_py.model.state import Started

    yield 0
    with opened(stdin, stdout, stderr) as client:
        tell = lambda: context.report(Started(container=name))  # noqa: E731
        yield start_attached(context, name, client, tell)


def _remove_image(container: Container, context: Context) -> None:
    from crun_py.engine import image_removal

    try:
        image_removal.remove(context, container.record["image"])
    except (Conflict, NotFound):
        return  # another container uses it


def start(context: Context, name: str) -> None:
    """Start a container; one that runs already is no error.  Raises NotFound, CommandError; then
    nothing is left of a container with --rm, as docker's."""
    container = state.find(context.paths, name)
    if not container.status().running:
        context.enter(*container.modes)
        try:
            lifecycle.start(
                container,
                rootless=context.rootless,
                explain=context.explain,
                notify=context.notify_socket,
            )
        except BaseException:
            foreground.discard(container)
            raise


def start_attached(
    context: Context, name: str, client: Client, started: Callable[[], object] | None = None
) -> int:
    """Start a container, or take one that runs, and stay with it; its exit code.  started: as of
    foreground.run."""
    container = state.find(context.paths, name)
    if container.status().running:
        if started:
            started()
        return attach_to(container, client)
    context.enter(*container.modes)
    return foreground.run(
        container,
        client,
        rootless=context.rootless,
        explain=context.explain,
        started=started,
        notify=context.notify_socket,
    )


def init(context: Context, name: str) -> None:
    """Make everything for a container but do not run its command yet; `start` then lets it run
    (podman-init(1)).  Raises Conflict."""
    container = state.find(context.paths, name)
    status = container.status()
    if status.running or status.state == "restarting":
        raise Conflict(f"initializing container {name}: it is {status.state}")
    if not status.alive:
        context.enter(*container.modes)
        lifecycle.start(container, rootless=context.rootless, explain=context.explain, held=True)


def attached(context: Context, name: str, client: Client) -> int:
    """Attach to a running container until it ends; its exit code.  name: "" for the newest."""
    from crun_py.container import execute

    container = state.find(context.paths, name) if name else state.latest(context.paths)
    execute.running(container, "attaching to")
    config = container.record["config"]
    foreground.check(config["tty"], config["open_stdin"], client)
    return attach_to(container, client)


def attach_to(container: Container, client: Client) -> int:
    """Attach to a running container; its exit code, 0 after the detach keys."""
    from crun_py import monitor

    events.container(container, "attach")
    session = attach.Session(
        monitor.connect(container.run_directory),
        foreground.streams_for(container, client),
        terminal=container.record["config"]["tty"],
        files=(client.stdin, client.stdout, client.stderr),
    )
    forward = foreground.signal_forwarder(container) if client.sig_proxy else None
    try:
        code = session.serve(forward, client.detach_keys)
    finally:
        session.close()
    if code == attach.DETACHED:
        return 0
    return ending.wait(container) if code == attach.LOST else code
