"""/libpod/containers and /libpod/exec; what is the same as docker's is docker's."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from crun_py.api import archives, containers
from crun_py.api.http import Exchange, HttpError
from crun_py.api.libpod import create
from crun_py.api.system import filters
from crun_py.errors import CrunpyError, NotFound
from crun_py.model.registry import RegistryAccess
from crun_py.record import replaced

if TYPE_CHECKING:
    from crun_py.aio import Engine
    from crun_py.api.routes import Routes
    from crun_py.api.streams import Attachments, Execs
    from crun_py.model.stats import Stats

_LOOK_S = 0.05


def register(routes: Routes, attachments: Attachments, execs: Execs) -> None:
    """Add what is here."""
    one = "/libpod/containers/{id}"
    for method, path, answer in (
        ("GET", "/libpod/containers/json", every),
        ("POST", "/libpod/containers/create", created),
        ("POST", "/libpod/containers/prune", prune),
        ("GET", "/libpod/containers/stats", stats),
        ("GET", one + "/json", inspect),
        ("GET", one + "/exists", exists),
        ("POST", one + "/init", initialized),
        ("POST", one + "/start", attachments.start),
        ("POST", one + "/attach", attachments.attach),
        ("POST", one + "/stop", containers.stop),
        ("POST", one + "/restart", containers.restart),
        ("POST", one + "/kill", containers.kill),
        ("POST", one + "/pause", containers.pause),
        ("POST", one + "/unpause", containers.unpause),
        ("POST", one + "/rename", containers.rename),
        ("POST", one + "/resize", containers.resize),
        ("POST", one + "/wait", wait),
        ("GET", one + "/top", top),
        ("GET", one + "/changes", containers.changes),
        ("GET", one + "/healthcheck", health),
        ("GET", one + "/export", archives.export),
        ("GET", one + "/archive", archives.copied_out),
        ("HEAD", one + "/archive", archives.look),
        ("PUT", one + "/archive", archives.copied_in),
        ("POST", one + "/exec", execs.create),
        ("POST", "/libpod/exec/{id}/start", execs.start),
        ("POST", "/libpod/exec/{id}/resize", execs.resize),
        ("GET", "/libpod/exec/{id}/json", execs.inspect),
        ("POST", "/libpod/commit", commit),
        ("DELETE", one, remove),
    ):
        routes.add(method, path, answer)


async def every(engine: Engine, exchange: Exchange, _: str) -> None:
    """ContainerListLibpod."""
    found = await engine._worker.call(
        "libpod.containers", everything=exchange.flag("all"),
        last=exchange.number("limit") or exchange.number("last") or 0, filters=filters(exchange),
        sizes=exchange.flag("size"),
    )  # fmt: skip
    await exchange.answer(200, found)


async def created(engine: Engine, exchange: Exchange, _: str) -> None:
    """ContainerCreateLibpod; the image must be there."""
    asked, wanted = create.request(await exchange.document())
    if not await engine.images.exists(asked.image):
        raise HttpError(404, f"No such image: {asked.image}")
    wanted = replaced(wanted, access=RegistryAccess())
    made = await engine.containers._handed_over("handover.created", asked, wanted, None)
    await exchange.answer(201, {"Id": made.id, "Warnings": []})


async def inspect(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerInspectLibpod."""
    await exchange.answer(200, await engine._worker.call(
        "libpod.container", name, size=exchange.flag("size"), before_5=exchange.version < (5, 0)
    ))  # fmt: skip


async def exists(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerExistsLibpod."""
    await engine.containers.get(name)
    await exchange.answer(204)


async def initialized(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerInitLibpod."""
    await (await engine.containers.get(name)).init()
    await exchange.answer(204)


async def remove(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerDeleteLibpod: what went wrong with each."""
    container = await engine.containers.get(name)
    await container.remove(
        force=exchange.flag("force"), volumes=exchange.flag("v") or exchange.flag("volumes")
    )
    await exchange.answer(200, [{"Id": container.id, "Err": None}])


async def prune(engine: Engine, exchange: Exchange, _: str) -> None:
    """ContainerPruneLibpod."""
    done = await engine.containers.prune(filters(exchange))
    sizes = [done.freed_bytes, *(0 for _ in done.names)]
    await exchange.answer(200, [
        {"Id": name, "Size": size, "Err": None}
        for name, size in zip(done.names, sizes, strict=False)
    ])  # fmt: skip


async def wait(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerWaitLibpod: until one of the states holds; the exit code, -1 while it runs."""
    wanted = {value for key, value in exchange.queries if key in ("condition", "conditions")}
    wanted = {"exited" if one == "stopped" else one for one in wanted} or {"exited"}
    known = {"configured": "created", "created": "created", "initialized": "initialized"}
    states = {known.get(one, one) for one in wanted}
    container = await engine.containers.get(name)
    leaving = asyncio.ensure_future(exchange.gone())
    waiting = asyncio.ensure_future(_state(engine, container.id, states))
    try:
        await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            await exchange.answer(200, waiting.result())
    finally:
        for task in (waiting, leaving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, CrunpyError):
                await task


async def _state(engine: Engine, container_id: str, states: set[str]) -> int:
    """The exit code when a container is in one of the states, or gone."""
    code = 0
    while True:
        try:
            info = (await engine.containers.get(container_id)).info
        except NotFound:
            return code  # --rm
        code = info.exit_code
        if info.state in states or ("exited" in states and info.state == "created" and code):
            return -1 if info.running else code
        if info.running and states == {"exited"}:
            with contextlib.suppress(NotFound):
                return await (await engine.containers.get(container_id)).wait()
        await asyncio.sleep(_LOOK_S)


async def top(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerTopLibpod."""
    container = await engine.containers.get(name)
    asked = [value for key, value in exchange.queries if key == "ps_args"]
    words = [word for text in asked for word in text.replace(",", " ").split()]
    found = await container.top(words or ["-ef"])
    value = {"Titles": [*found.titles], "Processes": [[*row] for row in found.processes]}
    if exchange.flag("stream"):
        await exchange.begin("application/json")
        await exchange.lines(value)
        await exchange.end()
    else:
        await exchange.answer(200, value)


async def health(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerHealthcheckLibpod: run the check now."""
    container = await engine.containers.get(name)
    await container.check_health()
    found = await engine._worker.call("libpod.container", container.id)
    assert isinstance(found, dict)
    await exchange.answer(200, found["State"].get("Health") or {})


async def stats(engine: Engine, exchange: Exchange, _: str) -> None:
    """ContainersStatsAllLibpod: of those named, or all."""
    names = [value for key, value in exchange.queries if key == "containers"]
    begun = time.time_ns()
    await exchange.begin("application/json")
    async for several in engine.containers.stats(names):
        await exchange.lines({"Error": None, "Stats": [_stats(one, begun) for one in several]})
        if not exchange.flag("stream", True):
            break
    await exchange.end()


def _stats(one: Stats, begun: int) -> dict[str, object]:
    share = one.memory_bytes / one.memory_limit_bytes if one.memory_limit_bytes else 0
    return {
        "AvgCPU": one.cpu_percent, "ContainerID": one.id, "Name": one.name,
        "CPU": one.cpu_percent, "CPUNano": one.cpu_ns, "CPUSystemNano": 0,
        "SystemNano": time.time_ns(), "MemUsage": one.memory_bytes,
        "MemLimit": one.memory_limit_bytes, "MemPerc": 100 * share,
        "NetInput": one.received_bytes, "NetOutput": one.sent_bytes,
        "BlockInput": one.read_bytes, "BlockOutput": one.written_bytes, "PIDs": one.pids,
        "UpTime": time.time_ns() - begun, "Duration": one.cpu_ns, "PerCPU": None,
        "Network": {},
    }  # fmt: skip


async def commit(engine: Engine, exchange: Exchange, _: str) -> None:
    """ImageCommitLibpod."""
    made = await archives.committed(engine, exchange)
    await exchange.answer(200, {"Id": made})
