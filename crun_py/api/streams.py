"""Streams: logs, and connections that a request takes over (attach, exec).

Without a terminal, output comes in frames: the stream's number, three zeros, the length in four
bytes, the bytes (Engine API, ContainerAttach).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from struct import pack
from typing import TYPE_CHECKING

from crun_py import clock
from crun_py.aio import Attached
from crun_py.api.http import Disconnected, Exchange, HttpError, Writer
from crun_py.api.libpod import containers
from crun_py.container import attach
from crun_py.errors import Conflict, CrunpyError
from crun_py.fields import Fields
from crun_py.library.values import OnEvent, expect
from crun_py.model.container import ExecRequest
from crun_py.model.descriptor import Descriptor
from crun_py.model.state import LogEntry, Started
from crun_py.state import new_id
from crun_py.worker import wire

if TYPE_CHECKING:
    from crun_py.aio import Engine
    from crun_py.api.routes import Routes
    from crun_py.model.state import ContainerInfo

_RAW = "application/vnd.docker.raw-stream"
_FRAMED = "application/vnd.docker.multiplexed-stream"
_PIECE = 32 << 10
_LOOK_S = 1
"""How often it is looked whether a client still waits for the start of a container."""
_KEYS = "ctrl-p,ctrl-q"
_MOST_EXECS = 1000
"""Commands that are remembered, to be started or asked about."""


def register(routes: Routes) -> None:
    """Add what is here."""
    execs, attachments = Execs(), Attachments()
    containers.register(routes, attachments, execs)
    for method, path, answer in (
        ("GET", "/containers/{id}/logs", logs),
        ("POST", "/containers/{id}/start", attachments.start),
        ("POST", "/containers/{id}/attach", attachments.attach),
        ("GET", "/containers/{id}/attach/ws", attachments.attach_websocket),
        ("POST", "/containers/{id}/exec", execs.create),
        ("POST", "/exec/{id}/start", execs.start),
        ("POST", "/exec/{id}/resize", execs.resize),
        ("GET", "/exec/{id}/json", execs.inspect),
        ("GET", "/libpod/containers/{id}/logs", logs),
    ):
        routes.add(method, path, answer)


def frame(stream: int, data: bytes) -> bytes:
    """`data` of standard output (1) or error (2)."""
    return pack(">BxxxI", stream, len(data)) + data


async def logs(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerLogs."""
    container = await engine.containers.get(name)
    wanted = {w for w in ("stdout", "stderr") if exchange.flag(w)}
    if not wanted:
        raise HttpError(400, "you must choose at least one stream")
    tail = exchange.query.get("tail") or "all"
    if tail != "all" and not tail.isdigit():
        tail = "all"
    document = expect(dict, await engine._worker.call("documents.anything", "container", name))
    terminal = bool(document["Config"]["Tty"])
    found = engine._worker.stream(
        "logs.read", container.id, follow=exchange.flag("follow"),
        tail=None if tail == "all" else int(tail),
        since_ns=_point(exchange, "since"), until_ns=_point(exchange, "until"),
    )  # fmt: skip
    stamps = exchange.flag("timestamps")
    async with found:
        first = await anext(found, None)  # whether there is a log, before it is promised
        await exchange.begin(_RAW if terminal else _FRAMED)
        if first is not None:
            await _log_entry(exchange, first, wanted, stamps, terminal)
        async for item in found:
            await _log_entry(exchange, item, wanted, stamps, terminal)
    await exchange.end()


async def _log_entry(
    exchange: Exchange, item: object, wanted: set[str], stamps: bool, terminal: bool
) -> None:
    entry = expect(LogEntry, item)
    if entry.stream not in wanted:
        return
    data = ((entry.time + " " if stamps else "") + entry.text).encode(errors="surrogateescape")
    await exchange.piece(data if terminal else frame(1 + (entry.stream == "stderr"), data))


def _point(exchange: Exchange, name: str) -> int | None:
    """A time in the query: seconds since 1970 with a fraction, or RFC 3339; in nanoseconds."""
    text = exchange.query.get(name) or "0"
    if text in ("0", "0001-01-01T00:00:00Z"):  # Go's zero time, which podman says
        return None
    whole, _, part = text.partition(".")
    if whole.isdigit() and (not part or part.isdigit()):
        return int(whole) * 10**9 + int((part + "0" * 9)[:9])
    if clock.valid(text):
        return clock.parse_rfc3339(text)
    raise HttpError(400, f"{name} {text!r}: not a time")


class Attachments:
    """Clients that wait for the start of a container, to miss nothing: docker attaches first."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[asyncio.Future[None]]]] = {}

    async def start(self, engine: Engine, exchange: Exchange, name: str) -> None:
        """ContainerStart; 304 for one that runs."""
        container = await engine.containers.get(name)
        if container.info.running:
            await exchange.answer(304)
            return
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = [one for one in self._waiting.pop(container.id, []) if not one.done()]
        if not waiting:
            await container.start()
        else:
            waiting[0].set_result(started)
            await started
            for one in waiting[1:]:
                if not one.done():
                    one.set_result(started)
        await exchange.answer(204)

    def _forget(self, container_id: str) -> None:
        """Those that have left."""
        left = [one for one in self._waiting.pop(container_id, []) if not one.done()]
        if left:
            self._waiting[container_id] = left

    async def attach(self, engine: Engine, exchange: Exchange, name: str) -> None:
        """ContainerAttach: to one that runs, or is started by another request."""
        if exchange.flag("logs") and not exchange.flag("stream"):
            await logs(engine, exchange, name)
            return
        info = await self._attachable(engine, name)
        keys = attach.parse_detach_keys(exchange.query.get("detachKeys") or _KEYS)
        reader, writer = await exchange.take_over(_RAW if info.tty else _FRAMED)
        wanted = _wanted(exchange)
        client = Client(
            reader, writer, wanted, terminal=info.tty, ends=info.stdin_once,
            keys=keys if info.tty else b"",
        )  # fmt: skip
        await self._attached(engine, info, wanted, client)

    async def attach_websocket(self, engine: Engine, exchange: Exchange, name: str) -> None:
        """ContainerAttachWebsocket: bytes without frames, as messages."""
        from crun_py.api import sockets

        info = await self._attachable(engine, name)
        reader, writer = await sockets.opened(exchange)
        wanted = _wanted(exchange)
        client = Client(
            reader, writer, wanted, terminal=info.tty, ends=info.stdin_once, framed=False
        )
        try:
            await self._attached(engine, info, wanted, client)
        finally:
            with contextlib.suppress(Disconnected):
                await writer.close()

    async def _attachable(self, engine: Engine, name: str) -> ContainerInfo:
        """Raises Conflict for one that is paused."""
        info = (await engine.containers.get(name)).info
        if info.state == "paused":
            raise Conflict(f"container {info.id} is paused, unpause the container before attach")
        return info

    async def _attached(
        self, engine: Engine, info: ContainerInfo, wanted: set[str], client: Client
    ) -> None:
        """Until the container or the client ends; a container that does not run yet is waited
        for."""
        reads = info.open_stdin and "stdin" in wanted
        if info.running:
            await client.pass_on(engine, "run.streamed", (info.id,), reads=reads)
            return
        begin: asyncio.Future[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(info.id, []).append(begin)
        while not begin.done():
            await asyncio.wait((begin,), timeout=_LOOK_S)
            if not begin.done() and client.hung_up():
                begin.cancel()
                self._forget(info.id)
                return
        started = begin.result()
        call = "run.streamed" if started.done() else "run.started_streamed"

        def told(event: object) -> None:
            if isinstance(event, Started) and not started.done():
                started.set_result(None)

        try:
            await client.pass_on(engine, call, (info.id,), reads=reads, on_event=told)
        except CrunpyError as e:
            if not started.done():
                started.set_exception(e)
        finally:
            if not started.done():
                started.set_result(None)


def _wanted(exchange: Exchange) -> set[str]:
    """The streams that a query asks for."""
    return {word for word in ("stdin", "stdout", "stderr") if exchange.flag(word)}


class Client:
    """Who has taken a connection over.

    wanted: the streams that are asked for; framed: the two outputs are told apart, None for
    without a terminal; ends: the end of what it sends is told; keys: what leaves when it is
    typed, b"" for nothing.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: Writer,
        wanted: set[str],
        *,
        terminal: bool,
        ends: bool = True,
        framed: bool | None = None,
        keys: bytes = b"",
    ) -> None:
        self._reader, self._writer = reader, writer
        self._wanted, self._terminal, self._keys = wanted, terminal, keys
        self._ends = ends
        self._framed = not terminal if framed is None else framed
        self._lock = asyncio.Lock()

    def hung_up(self) -> bool:
        """Whether the client has left."""
        return self._writer.hung_up()

    async def pass_on(
        self,
        engine: Engine,
        call: str,
        arguments: tuple[object, ...],
        *,
        reads: bool,
        on_event: OnEvent = None,
        further: tuple[object, ...] = (),
    ) -> int | None:
        """Connect the client with the streams of a call of the engine until one of them ends; the
        exit code, None where the client left.  Raises what the call raises."""
        streams = Attached(
            engine._worker, call, arguments, reads=reads, on_event=on_event, further=further
        )
        async with streams as attached:
            ended = asyncio.ensure_future(attached.wait())
            reading = asyncio.ensure_future(self._typed(attached))
            outputs = asyncio.gather(self._out(1, attached.stdout), self._out(2, attached.stderr))
            try:
                await asyncio.wait((outputs, reading), return_when=asyncio.FIRST_COMPLETED)
                if not outputs.done():
                    await reading  # no more is typed, or the client says that it has left
                await outputs
                return await ended
            except Disconnected:
                return None
            finally:
                for task in (reading, outputs, ended):
                    task.cancel()
                await asyncio.gather(reading, outputs, ended, return_exceptions=True)

    async def _out(self, number: int, source: asyncio.StreamReader) -> None:
        shown = ("stdout", "stderr")[number - 1] in self._wanted
        while data := await source.read(_PIECE):
            if shown:
                async with self._lock:
                    await self._writer.write(frame(number, data) if self._framed else data)

    async def _typed(self, attached: Attached) -> None:
        """What the client sends, to the container; a terminal is never told the end of it.

        Raises Disconnected when the client leaves."""
        matched = 0
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            while data := await self._reader.read(_PIECE):
                if self._keys:
                    data, matched = attach.match_keys(data, self._keys, matched)
                if attached.stdin is not None and data:
                    await attached.stdin.write(data)
                if matched == attach.DETACHED:
                    raise Disconnected
        if self._terminal:
            raise Disconnected
        if attached.stdin is not None and self._ends:
            await attached.stdin.close()


class Exec:
    """A command that was asked for."""

    def __init__(self, container: str, request: ExecRequest, keys: str) -> None:
        self.id = new_id()
        self.container, self.request, self.keys = container, request, keys
        self.started = self.running = False
        self.exit_code: int | None = None
        self.sizes = -1
        """Where sizes of its terminal are written to, while it runs."""


class Execs:
    """Commands in containers, from their creation until nobody asks any more."""

    def __init__(self) -> None:
        self._known: dict[str, Exec] = {}

    def _find(self, exec_id: str) -> Exec:
        found = self._known.get(exec_id)
        if found is None:
            raise HttpError(404, f"No such exec instance: {exec_id}")
        return found

    async def create(self, engine: Engine, exchange: Exchange, name: str) -> None:
        """ContainerExec."""
        body = Fields(await exchange.document())
        container = await engine.containers.get(name)
        if not container.info.running:
            raise Conflict(f"container {container.id} is not running")
        if container.info.state == "paused":
            raise Conflict(f"container {name} is paused, unpause the container before exec")
        if not body.texts("Cmd"):
            raise HttpError(400, "No exec command specified")
        from crun_py.library import options

        request = options.exec_request(
            body.texts("Cmd"), environment=body.texts("Env"), user=body.text("User"),
            working_dir=body.text("WorkingDir"), privileged=body.flag("Privileged"),
            tty=body.flag("Tty"), stdin_open=body.flag("AttachStdin"),
        )  # fmt: skip
        made = Exec(container.id, request, body.text("DetachKeys") or _KEYS)
        attach.parse_detach_keys(made.keys)
        over = len(self._known) - _MOST_EXECS + 1
        old = (one.id for one in [*self._known.values()] if not one.running)
        for exec_id in itertools.islice(old, max(0, over)):
            del self._known[exec_id]
        self._known[made.id] = made
        await exchange.answer(201, {"Id": made.id})

    async def start(self, engine: Engine, exchange: Exchange, name: str) -> None:
        """ExecStart."""
        body = Fields(await exchange.document())
        found = self._find(name)
        if found.started:
            raise HttpError(409, f"exec command {name} is already running or has run")
        found.started = True
        if body.flag("Detach"):
            await engine._worker.call("execute.detached", found.container, found.request)
            await exchange.answer(200)
            return
        found.running = True
        try:
            tty = found.request.tty
            reader, writer = await exchange.take_over(_RAW if tty else _FRAMED)
            keys = attach.parse_detach_keys(found.keys) if tty else b""
            client = Client(reader, writer, {"stdout", "stderr"}, terminal=tty, keys=keys)
            theirs, found.sizes = wire.pipe()
            os.set_blocking(found.sizes, False)
            found.exit_code = await client.pass_on(
                engine, "execute.streamed", (found.container, found.request),
                reads=found.request.open_stdin, further=(Descriptor(theirs, owned=True),),
            )  # fmt: skip
        except CrunpyError as e:
            found.exit_code = getattr(e, "exit_code", 126)
            raise
        finally:
            found.running = False
            if found.sizes >= 0:
                os.close(found.sizes)
                found.sizes = -1

    async def resize(self, engine: Engine, exchange: Exchange, name: str) -> None:
        """ExecResize."""
        found = self._find(name)
        rows, columns = exchange.number("h") or 0, exchange.number("w") or 0
        if not (0 <= rows < 1 << 16 and 0 <= columns < 1 << 16):
            raise HttpError(400, "h and w: not a size of a terminal")
        if found.sizes < 0:
            raise Conflict(f"exec command {name} does not run")
        with contextlib.suppress(BlockingIOError):  # thousands that nobody has looked at yet
            os.write(found.sizes, pack("<HH", rows, columns))
        await exchange.answer(200)

    async def inspect(self, engine: Engine, exchange: Exchange, name: str) -> None:
        """ExecInspect."""
        one = self._find(name)
        command, *arguments = one.request.command
        await exchange.answer(200, {
            "ID": one.id, "ContainerID": one.container, "Running": one.running,
            "ExitCode": one.exit_code, "Pid": 0, "CanRemove": False, "DetachKeys": one.keys,
            "OpenStdin": one.request.open_stdin, "OpenStdout": True, "OpenStderr": True,
            "ProcessConfig": {
                "entrypoint": command, "arguments": arguments, "tty": one.request.tty,
                "privileged": one.request.privileged, "user": one.request.user,
            },
        })  # fmt: skip
