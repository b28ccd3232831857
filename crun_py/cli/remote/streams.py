"""Containers elsewhere that we stay with: run, create, start, attach, exec, logs."""

from __future__ import annotations

import contextlib
import os
import time

from crun_py import clock, outfile
from crun_py.cli.container import client as clients
from crun_py.cli.container import create_request
from crun_py.cli.container import exec as local_exec
from crun_py.cli.container import logs as local_logs
from crun_py.cli.each import each
from crun_py.cli.output import write, write_error, write_warning
from crun_py.cli.remote import registries
from crun_py.container.attach import STDERR, STDIN, STDOUT, check_input
from crun_py.container.foreground import parse_streams
from crun_py.errors import Conflict, CrunpyError, InvalidArgument, NotFound, Unsupported
from crun_py.fields import Fields
from crun_py.options import foreign
from crun_py.record import replaced
from crun_py.remote import containers, create
from crun_py.remote.client import Remote, command_error
from crun_py.remote.paths import path
from crun_py.remote.streams import Attached, Frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.documents.log import LogLine
    from crun_py.model.container import Client, CreateRequest
    from crun_py.values import Values

_LOOK_S = 0.02


# ---- run and create ----


def run(values: Values, arguments: list[str], remote: Remote) -> int:
    """Run; the exit status is the container's."""
    keep = clients.descriptors(values.maybe("preserve_fds"))
    client = clients.client_of(values, tuple(name.lower() for name in values.texts("attach")), keep)
    if keep:
        raise Unsupported("--preserve-fds: descriptors do not reach another machine")
    if values.flag("rmi"):
        raise Unsupported("--rmi: Docker's API cannot say it")
    detached = values.flag("detach")
    request = _request(values, arguments, remote)
    if not detached and request.open_stdin and parse_streams(client.streams) & STDIN:
        check_input(client.stdin, terminal=request.tty)
    container_id = _created(values, request, remote)
    if detached:
        _started(remote, container_id, request)
        write(container_id)
        return 0
    return _run(values, remote, container_id, request, client)


def create_(values: Values, arguments: list[str], remote: Remote) -> int:
    """Create and print the id."""
    try:
        write(_created(values, _request(values, arguments, remote), remote))
    except Conflict as e:
        e.exit_code = 1  # as Docker: a name that is taken
        raise
    return 0


def _request(values: Values, arguments: list[str], remote: Remote) -> CreateRequest:
    """What the options ask for; refused before anything is made where the API cannot carry it."""
    if values.flag("env_host"):
        raise Unsupported("--env-host: the other machine's variables are meant, which are not ours")
    request = create_request.request(values, arguments)
    if values.switch("http_proxy"):  # else they are the other machine's to know
        inherited, own = request.environment.inherited, request.environment.variables
        environment = replaced(request.environment, variables={**inherited, **own})
        request = replaced(request, environment=environment)
    create.refuse(request)
    if not remote.server.startswith("crunpy/"):
        return request
    for line in foreign.warnings(values):
        write_warning(line)
    return request


def _created(values: Values, request: CreateRequest, remote: Remote) -> str:
    """The id of a new container; its image is pulled if need be."""
    policy = values.text("pull") or "missing"
    if request.id_file and os.path.exists(request.id_file):
        raise InvalidArgument(f"cidfile {request.id_file}: exists already", hint="remove it first")
    if request.replace and request.name:
        with contextlib.suppress(NotFound):
            containers.remove(remote, request.name, force=True)
    if policy == "always":
        registries.obtain(values, remote, request.image)
    query: dict[str, object] = {
        "name": request.name or None,
        "platform": registries.platform(values) or None,
    }
    body = create.body(request)
    try:
        made = _make(remote, query, body)
    except NotFound as e:
        if policy != "missing" or "image" not in e.message.lower():
            raise
        if not values.flag("quiet"):
            write_error(f"Unable to find image '{request.image}' locally")
        registries.obtain(values, remote, request.image)
        made = _make(remote, query, body)
    if request.id_file:
        outfile.write(request.id_file, made.encode())
    return made


def _make(remote: Remote, query: dict[str, object], body: dict[str, object]) -> str:
    found = Fields(remote.call("POST", "/containers/create", query, body), "the answer")
    for warning in found.texts("Warnings"):
        write_warning(warning)
    return found.text("Id")


def _started(remote: Remote, name: str, request: CreateRequest | None = None) -> None:
    """Start; what --rm said of it is removed when that fails."""
    try:
        remote.call("POST", path("containers", name, "start"))
    except CrunpyError as e:
        if request and request.auto_remove:
            with contextlib.suppress(CrunpyError):  # the service has done it, or is doing it
                containers.remove(remote, name, force=True)
        raise command_error(e) from e


def _run(
    values: Values, remote: Remote, container_id: str, request: CreateRequest, client: Client
) -> int:
    condition = "removed" if request.auto_remove else "next-exit"
    wanted = parse_streams(client.streams)
    attached = _attached(values, remote, container_id, request.tty, request.open_stdin, client,
                         wanted)  # fmt: skip
    return _seen_to_its_end(remote, container_id, condition, attached, request)


def _seen_to_its_end(
    remote: Remote, container_id: str, condition: str, attached: Attached,
    request: CreateRequest | None = None, *, running: bool = False,
) -> int:  # fmt: skip
    """Start a container, unless it runs, and pass streams on; its exit code, 0 when the user has
    left it.  The end is waited for from before the start, so that a short life is not missed (an
    API before 1.30 waits for no end to come)."""
    early = running or remote.speaks("1.30")
    waiting = [containers.begin_wait(remote, container_id, condition)] if early else []

    def begin() -> None:
        if not running:
            _started(remote, container_id, request)
        if not early:
            waiting.append(containers.begin_wait(remote, container_id, condition))

    return containers.exit_code(remote, waiting[0]) if attached.serve(begin) else 0


def _attached(
    values: Values, remote: Remote, name: str, tty: bool, open_stdin: bool, client: Client,
    wanted: int,
) -> Attached:  # fmt: skip
    """Our streams and those of a container that runs or will be started."""
    reads = open_stdin and bool(wanted & STDIN)
    query: dict[str, object] = {
        "stream": True, "stdin": reads, "stdout": bool(wanted & STDOUT),
        "stderr": bool(wanted & STDERR), "detachKeys": values.maybe("detach_keys"),
    }  # fmt: skip
    channel = remote.take_over(path("containers", name, "attach"), query)

    def resize(rows: int, columns: int) -> None:
        remote.call("POST", path("containers", name, "resize"), {"h": rows, "w": columns})

    return Attached(
        *channel.taken_over(), client, reads=reads, terminal=tty, framed=not tty, resize=resize,
        forward=_forward(remote, name) if client.sig_proxy else None,
    )  # fmt: skip


def _forward(remote: Remote, name: str) -> Callable[[int], None]:
    def forward(number: int) -> None:
        try:
            containers.kill(remote, name, number)
        except (NotFound, Conflict):
            return  # it has ended just now

    return forward


# ---- start and attach ----


def start(values: Values, arguments: list[str], remote: Remote) -> int:
    """Start; one that runs already is no error."""
    names = containers.named(
        remote, arguments, values.flag("all"), {"created", "exited"},
        latest=values.flag("latest"), wanted=values.texts("filter"),
    )  # fmt: skip
    if not values.flag("attach") and not values.flag("interactive"):

        def act(name: str) -> None:
            _started(remote, name)
            write(name)

        return each(names, act, 1)
    if len(names) > 1:
        raise InvalidArgument("starting: only one container can be attached to")
    streams = () if values.flag("interactive") else ("stdout", "stderr")
    client = clients.client_of(values, streams)
    try:
        return _start_attached(values, remote, names[0], client)
    except CrunpyError as e:
        e.exit_code = 1  # docker's
        raise


def _start_attached(values: Values, remote: Remote, name: str, client: Client) -> int:
    about = containers.inspect(remote, name)
    running = about.inner("State").flag("Running")
    config, removes = about.inner("Config"), about.inner("HostConfig").flag("AutoRemove")
    wanted = parse_streams(client.streams)
    if config.flag("OpenStdin") and wanted & STDIN:
        check_input(client.stdin, terminal=config.flag("Tty"))
    attached = _attached(values, remote, about.text("Id"), config.flag("Tty"),
                         config.flag("OpenStdin"), client, wanted)  # fmt: skip
    condition = "removed" if removes else "not-running" if running else "next-exit"
    return _seen_to_its_end(remote, about.text("Id"), condition, attached, running=running)


def attach(values: Values, arguments: list[str], remote: Remote) -> int:
    """Attach until the container ends; the exit status is the container's."""
    if not arguments and not values.flag("latest"):
        raise InvalidArgument("attaching: no container given", hint="a name, or --latest")
    client = clients.client_of(values, ("stdout", "stderr") if values.flag("no_stdin") else ())
    about = containers.inspect(remote, arguments[0] if arguments else containers.newest(remote))
    state, name = about.inner("State"), about.text("Name").removeprefix("/")
    if not state.flag("Running") or state.flag("Paused"):
        verb = "unpause" if state.flag("Paused") else "start"
        raise Conflict(
            f"attaching to container {name}: it is {state.text('Status')}, not running",
            hint=f"crunpy {verb} {name}",
        )
    return _start_attached(values, remote, about.text("Id"), client)


# ---- exec ----


def exec_(values: Values, arguments: list[str], remote: Remote) -> int:
    """Run the command; the exit status is the command's."""
    if clients.descriptors(values.maybe("preserve_fds")):
        raise Unsupported("--preserve-fds: descriptors do not reach another machine")
    client = clients.client_of(values, ())
    name, request = local_exec.asked(values, arguments)
    name = name or containers.newest(remote)
    if not request.command:
        containers.inspect(remote, name)
        raise local_exec.no_command()
    if request.open_stdin and not request.detach:
        check_input(client.stdin, terminal=request.tty)
    variables = request.environment.items()
    made = Fields(remote.call("POST", path("containers", name, "exec"), None, {
        "Cmd": [*request.command], "Tty": request.tty, "Privileged": request.privileged,
        "AttachStdin": request.open_stdin and not request.detach,
        "AttachStdout": not request.detach, "AttachStderr": not request.detach,
        "Env": [key if value is None else f"{key}={value}" for key, value in variables],
        "WorkingDir": request.workdir, "User": request.user, "Detach": request.detach,
        "DetachKeys": values.text("detach_keys"),
    }), "the answer")  # fmt: skip
    exec_id = made.text("Id")
    body: dict[str, object] = {"Detach": request.detach, "Tty": request.tty}
    try:
        if request.detach:
            remote.call("POST", path("exec", exec_id, "start"), None, body)
            return 0
        channel = remote.take_over(path("exec", exec_id, "start"), None, body)
    except CrunpyError as e:
        raise command_error(e) from e

    def resize(rows: int, columns: int) -> None:
        remote.call("POST", path("exec", exec_id, "resize"), {"h": rows, "w": columns})

    attached = Attached(
        *channel.taken_over(), client, reads=request.open_stdin, terminal=request.tty,
        framed=not request.tty, resize=resize,
    )  # fmt: skip
    if not attached.serve():
        return 0
    while (ended := remote.get(path("exec", exec_id, "json"))).flag("Running"):
        time.sleep(_LOOK_S)  # its output ends a little before it does
    return ended.number("ExitCode")


# ---- logs ----


def logs(values: Values, arguments: list[str], remote: Remote) -> int:
    """Print the output of containers, as the verb does here."""
    if values.flag("details"):
        raise Unsupported("--details: what options of the log named, is told on that machine alone")
    names = containers.named(remote, arguments, latest=values.flag("latest"))
    local_logs.tell(values, [_source(values, remote, name) for name in names])
    return 0


def _source(values: Values, remote: Remote, name: str) -> local_logs.Source:
    about = containers.inspect(remote, name)
    container_id, tty = about.text("Id"), about.inner("Config").flag("Tty")
    tail = local_logs.count(values.maybe("tail"))
    query: dict[str, object] = {
        "stdout": True, "stderr": True, "timestamps": True, "follow": values.flag("follow"),
        "tail": "all" if tail is None else tail,
        "since": _seconds(values.text("since")), "until": _seconds(values.text("until")),
    }  # fmt: skip

    def read(parent: int) -> Iterator[LogLine]:
        # a process of its own does not share the connections of its parent
        asked = Remote(remote.endpoint) if parent else remote
        yield from _entries(asked, path("containers", container_id, "logs"), query, tty)

    title = about.text("Name").removeprefix("/")
    return local_logs.Source(title, container_id, "", read)


def _seconds(text: str) -> str | None:
    """A point in time as the API has it."""
    if not text:
        return None
    whole, rest = divmod(clock.parse_point(text), 10**9)
    return f"{whole}.{rest:09d}"


def _entries(remote: Remote, place: str, query: dict[str, object], tty: bool) -> Iterator[LogLine]:
    """Lines, each with its time before it, of which long ones come in parts."""
    answer = remote.ask("GET", place, query)
    frames, rest = Frames(), {1: b"", 2: b""}
    for piece in answer.pieces():
        for number, data in ((1, piece),) if tty else frames.put(piece):
            *lines, rest[number] = (rest[number] + data).split(b"\n")
            for line in lines:
                yield _entry(number, line + b"\n")
    for number, data in rest.items():
        if data:
            yield _entry(number, data)
    remote.done(answer)


def _entry(number: int, line: bytes) -> LogLine:
    time, _, text = line.decode("utf-8", "replace").partition(" ")
    return {"time": time, "stream": "stderr" if number == 2 else "stdout", "log": text}
