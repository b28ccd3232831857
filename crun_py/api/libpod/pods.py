"""/libpod/pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crun_py import signals
from crun_py.api.http import Exchange
from crun_py.api.libpod import create
from crun_py.api.system import filters
from crun_py.errors import CrunpyError, NotFound
from crun_py.library.values import every, expect
from crun_py.model.pod import PodInfo
from crun_py.show import pod_list

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crun_py.aio import Engine
    from crun_py.aio.pod import Pod
    from crun_py.api.routes import Routes


def register(routes: Routes) -> None:
    """Add what is here."""
    one = "/libpod/pods/{id}"
    for method, path, answer in (
        ("GET", "/libpod/pods/json", listed),
        ("POST", "/libpod/pods/create", created),
        ("POST", "/libpod/pods/prune", pruned),
        ("GET", "/libpod/pods/stats", stats),
        ("GET", one + "/json", inspect),
        ("GET", one + "/exists", exists),
        ("GET", one + "/top", top),
        ("POST", one + "/start", started),
        ("POST", one + "/stop", stopped),
        ("POST", one + "/restart", restarted),
        ("POST", one + "/kill", killed),
        ("POST", one + "/pause", paused),
        ("POST", one + "/unpause", unpaused),
        ("DELETE", one, removed),
    ):
        routes.add(method, path, answer)


async def listed(engine: Engine, exchange: Exchange, _: str) -> None:
    """PodListLibpod."""
    found = await engine._worker.call("pods.infos", filters(exchange))
    await exchange.answer(200, [pod_list.listed(one) for one in every(PodInfo, found)])


async def created(engine: Engine, exchange: Exchange, _: str) -> None:
    """PodCreateLibpod."""
    asked = create.pod(await exchange.document())
    made = expect(PodInfo, await engine._worker.call("pods.create", asked))
    await exchange.answer(201, {"Id": made.id})


async def pruned(engine: Engine, exchange: Exchange, _: str) -> None:
    """PodPruneLibpod."""
    done = await engine.pods.prune(filters(exchange))
    await exchange.answer(200, [{"Id": name, "Err": None} for name in done.names])


async def inspect(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodInspectLibpod."""
    await exchange.answer(200, pod_list.document((await engine.pods.get(name)).info))


async def exists(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodExistsLibpod."""
    await engine.pods.get(name)
    await exchange.answer(204)


async def removed(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodDeleteLibpod."""
    pod = await engine.pods.get(name)
    await pod.remove(force=exchange.flag("force"))
    await exchange.answer(200, {"Id": pod.id, "Err": None, "RemovedCtrs": {}})


async def _each(
    engine: Engine, exchange: Exchange, name: str, act: Callable[[Pod], Awaitable[None]]
) -> None:
    """Do something with a pod, and tell its id with what went wrong."""
    pod = await engine.pods.get(name)
    errors = []
    try:
        await act(pod)
    except NotFound:
        raise
    except CrunpyError as e:
        errors.append(e.line())
    await exchange.answer(409 if errors else 200, {"Id": pod.id, "Errs": errors or None})


async def started(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodStartLibpod."""
    await _each(engine, exchange, name, lambda pod: pod.start())


async def stopped(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodStopLibpod."""
    patience = exchange.number("t")
    await _each(engine, exchange, name, lambda pod: pod.stop(patience))


async def restarted(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodRestartLibpod."""
    await _each(engine, exchange, name, lambda pod: pod.restart())


async def killed(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodKillLibpod."""
    number = signals.number(exchange.query.get("signal") or "KILL")
    await _each(engine, exchange, name, lambda pod: pod.kill(number))


async def paused(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodPauseLibpod."""
    await _each(engine, exchange, name, lambda pod: pod.pause())


async def unpaused(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodUnpauseLibpod."""
    await _each(engine, exchange, name, lambda pod: pod.unpause())


async def top(engine: Engine, exchange: Exchange, name: str) -> None:
    """PodTopLibpod."""
    pod = await engine.pods.get(name)
    asked = [value for key, value in exchange.queries if key == "ps_args"]
    words = [word for text in asked for word in text.replace(",", " ").split()]
    found = await pod.top([] if words == ["-ef"] else words)
    value = {"Titles": [*found.titles], "Processes": [[*row] for row in found.processes]}
    if exchange.flag("stream"):
        await exchange.begin("application/json")
        await exchange.lines(value)
        await exchange.end()
    else:
        await exchange.answer(200, value)


async def stats(engine: Engine, exchange: Exchange, _: str) -> None:
    """PodStatsAllLibpod: of the pods named, or of all."""
    names = [value for key, value in exchange.queries if key == "namesOrIDs"]
    chosen = [await engine.pods.get(name) for name in names] or await engine.pods.list()
    of = {one.id: pod.id for pod in chosen for one in pod.info.containers
          if one.state in ("running", "paused")}  # fmt: skip
    found: list[dict[str, object]] = []
    if of:
        async for several in engine.containers.stats([*of]):
            found = [pod_list.used(one, of[one.id]) for one in several]
            break
    await exchange.answer(200, found)
