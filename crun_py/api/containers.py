"""/containers, but for their streams (streams.py)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING

from crun_py import clock, signals
from crun_py.api import create
from crun_py.api.http import Exchange, HttpError
from crun_py.api.system import filters
from crun_py.errors import Conflict, CrunpyError
from crun_py.fields import Fields
from crun_py.library.values import expect

if TYPE_CHECKING:
    from crun_py.aio import Container, Engine
    from crun_py.api.routes import Routes
    from crun_py.model.stats import Stats

_CHANGES = {"C": 0, "A": 1, "D": 2}


def register(routes: Routes) -> None:
    """Add what is here."""
    for method, path, answer in (
        ("GET", "/containers/json", every),
        ("POST", "/containers/create", created),
        ("POST", "/containers/prune", prune),
        ("GET", "/containers/{id}/json", inspect),
        ("GET", "/containers/{id}/top", top),
        ("GET", "/containers/{id}/changes", changes),
        ("GET", "/containers/{id}/stats", stats),
        ("POST", "/containers/{id}/stop", stop),
        ("POST", "/containers/{id}/restart", restart),
        ("POST", "/containers/{id}/kill", kill),
        ("POST", "/containers/{id}/pause", pause),
        ("POST", "/containers/{id}/resize", resize),
        ("POST", "/containers/{id}/unpause", unpause),
        ("POST", "/containers/{id}/rename", rename),
        ("POST", "/containers/{id}/update", update),
        ("POST", "/containers/{id}/wait", wait),
        ("DELETE", "/containers/{id}", remove),
    ):
        routes.add(method, path, answer)


async def every(engine: Engine, exchange: Exchange, _: str) -> None:
    """ContainerList."""
    found = expect(bytes, await engine._worker.call(
        "documents.containers_text", everything=exchange.flag("all"),
        last=exchange.number("limit") or 0, filters=filters(exchange), sizes=exchange.flag("size"),
    ))  # fmt: skip
    await exchange.data(200, found, "application/json")


async def created(engine: Engine, exchange: Exchange, _: str) -> None:
    """ContainerCreate; the image must be there."""
    warned: list[str] = []
    body = await exchange.document()
    asked, wanted = create.request(
        body, exchange.query.get("name", ""),
        exchange.query.get("platform", ""),
    )  # fmt: skip
    if not await engine.images.exists(asked.image):
        raise HttpError(404, f"No such image: {asked.image}")
    made = await engine.containers._handed_over("handover.created", asked, wanted, None)
    await exchange.answer(201, {"Id": made.id, "Warnings": warned})


async def inspect(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerInspect."""
    call = engine._worker.call
    found = await call("documents.anything", "container", name, size=exchange.flag("size"))
    await exchange.answer(200, found)


async def stop(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerStop; 304 for one that does not run."""
    container = await engine.containers.get(name)
    if not container.info.running and container.info.state not in ("restarting", "paused"):
        await exchange.answer(304)
        return
    await container.stop(_timeout(exchange), signal=_signal(exchange))
    await exchange.answer(204)


def _timeout(exchange: Exchange) -> int | None:
    """Seconds; `t` is docker's, `timeout` podman's."""
    found = exchange.number("t")
    return exchange.number("timeout") if found is None else found


def _signal(exchange: Exchange) -> int | None:
    text = exchange.query.get("signal")
    return signals.number(text) if text else None


async def restart(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerRestart."""
    container = await engine.containers.get(name)
    await container.restart(_timeout(exchange), signal=_signal(exchange))
    await exchange.answer(204)


async def kill(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerKill."""
    container = await engine.containers.get(name)
    if not container.info.running:
        raise Conflict(f"container {container.id} is not running")
    await container.kill(signals.number(exchange.query.get("signal") or "KILL"))
    await exchange.answer(204)


async def resize(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerResize."""
    rows, columns = exchange.number("h") or 0, exchange.number("w") or 0
    if not (0 <= rows < 1 << 16 and 0 <= columns < 1 << 16):
        raise HttpError(400, "h and w: not a size of a terminal")
    await engine._worker.call("containers.resize", name, rows, columns)
    await exchange.answer(200)


async def pause(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerPause."""
    await (await engine.containers.get(name)).pause()
    await exchange.answer(204)


async def unpause(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerUnpause."""
    await (await engine.containers.get(name)).unpause()
    await exchange.answer(204)


async def rename(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerRename."""
    await (await engine.containers.get(name)).rename(exchange.query.get("name", ""))
    await exchange.answer(204)


async def update(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerUpdate."""
    body = Fields(await exchange.document())
    container = await engine.containers.get(name)
    policy = create.restart(body.inner("RestartPolicy")) if body.has("RestartPolicy") else None
    await container.update(create.limits(body), restart=policy)
    await exchange.answer(200, {"Warnings": []})


async def remove(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerDelete."""
    container = await engine.containers.get(name)
    if exchange.flag("link"):
        raise HttpError(501, "links are lines of /etc/hosts: they go with their container")
    await container.remove(force=exchange.flag("force"), volumes=exchange.flag("v"))
    await exchange.answer(204)


async def wait(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerWait.  The answer begins at once, so that a client knows that it is waited for."""
    container = await engine.containers.get(name)
    condition = exchange.query.get("condition") or "not-running"
    if condition not in ("not-running", "next-exit", "removed"):
        raise HttpError(400, f"invalid condition: {condition!r}")
    waiting = asyncio.ensure_future(_end(engine, container, condition))
    await asyncio.sleep(0)
    await exchange.begin("application/json")
    leaving = asyncio.ensure_future(exchange.gone())
    try:
        await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            await exchange.lines({"StatusCode": waiting.result()})
            await exchange.end()
    finally:
        for task in (waiting, leaving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, CrunpyError):
                await task


async def _end(engine: Engine, container: Container, condition: str) -> int:
    """The exit code of a container when the condition holds."""
    info = container.info
    begun = time.time()
    if info.running and condition != "next-exit":
        code = await container.wait()
    elif condition == "not-running":
        code = info.exit_code
    else:  # it may have come and gone before anybody looks
        code = await _next_end(engine, container.id, begun)
    if condition == "removed":
        await engine._worker.call(
            "waiting.wait", container.id, condition=("removed",), missing_ok=True, interval_s=0.02
        )
    return code


async def _next_end(engine: Engine, container_id: str, begun: float) -> int:
    wanted = {"container": container_id, "event": ["die", "destroy"]}
    async for event in engine.events(since=begun, follow=True, filters=wanted):
        return int(event.attributes.get("exitCode") or 0)  # a start that failed has none
    return 0


async def top(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerTop."""
    container = await engine.containers.get(name)
    found = await container.top((exchange.query.get("ps_args") or "-ef").split())
    await exchange.answer(
        200, {"Titles": [*found.titles], "Processes": [[*row] for row in found.processes]}
    )


async def changes(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerChanges."""
    container = await engine.containers.get(name)
    found = await container.changes()
    await exchange.answer(
        200, [{"Path": one.path, "Kind": _CHANGES[one.kind]} for one in found] or None
    )


async def stats(engine: Engine, exchange: Exchange, name: str) -> None:
    """ContainerStats, once or each second."""
    container = await engine.containers.get(name)
    if not exchange.flag("stream", True):
        await exchange.answer(200, _stats(await container.stats(), container.info.name))
        return
    await exchange.begin("application/json")
    async for several in engine.containers.stats([container.id]):
        for one in several:
            await exchange.lines(_stats(one, container.info.name))
    await exchange.end()


def _stats(one: Stats, name: str) -> dict[str, object]:
    """Clients reckon per cents from two counts of the container's and the machine's time: the
    earlier ones are a second before, at the pace that was measured."""
    processors = os.cpu_count() or 1
    with open("/proc/stat", encoding="ascii") as f:
        ticks = sum(map(int, f.readline().split()[1:9]))
    machine = ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    memory = {"usage": one.memory_bytes, "limit": one.memory_limit_bytes, "stats": {}}
    blocks = [
        {"major": 0, "minor": 0, "op": op, "value": n}
        for op, n in (("read", one.read_bytes), ("write", one.written_bytes))
    ]
    return {
        "id": one.id,
        "name": "/" + name,
        "read": clock.rfc3339(time.time_ns()),
        "preread": clock.rfc3339(time.time_ns() - 10**9),
        "num_procs": 0,
        "pids_stats": {"current": one.pids},
        "blkio_stats": {"io_service_bytes_recursive": blocks},
        "storage_stats": {},
        "cpu_stats": _processor(one.cpu_ns, machine, processors),
        "precpu_stats": _processor(
            max(0, one.cpu_ns - int(one.cpu_percent * 1e7)),
            machine - processors * 10**9,
            processors,
        ),
        "memory_stats": memory,
        "networks": {"eth0": {"rx_bytes": one.received_bytes, "tx_bytes": one.sent_bytes}},
    }


def _processor(spent_ns: int, machine_ns: int, processors: int) -> dict[str, object]:
    return {
        "cpu_usage": {"total_usage": spent_ns, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
        "system_cpu_usage": machine_ns,
        "online_cpus": processors,
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    }


async def prune(engine: Engine, exchange: Exchange, _: str) -> None:
    """ContainerPrune."""
    done = await engine.containers.prune(filters(exchange))
    await exchange.answer(
        200, {"ContainersDeleted": [*done.names], "SpaceReclaimed": done.freed_bytes}
    )
