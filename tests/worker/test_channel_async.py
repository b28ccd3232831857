"""Calls from asyncio, without a thread."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from working import alive, gone, kill, nothing_left

from crun_py.errors import CrunpyError, NotFound
from crun_py.worker.channel_async import AsyncWorker
from crun_py.worker.values import Descriptor


def run(act: Callable[[AsyncWorker], Awaitable[None]]) -> None:
    """`act` with a worker, of which nothing may be left."""

    async def main() -> None:
        async with made:
            parent = await made.call("containers.parent")
            await act(made)
            assert threading.active_count() == threads
        gone(parent)  # type: ignore[arg-type]

    threads = threading.active_count()
    with nothing_left():
        made = AsyncWorker("/tmp/r", "/tmp/toy-run", package="toy", preload=("toy.containers",))
        asyncio.run(main())


def test_calls() -> None:
    async def act(worker: AsyncWorker) -> None:
        events: list[object] = []
        assert await worker.call("containers.echo", 1, a=b"x") == ((1,), {"a": b"x"})
        assert await worker.call("containers.events", 2, on_event=events.append) == 2
        assert events == [{"step": 0}, {"step": 1}]
        with pytest.raises(NotFound):
            await worker.call("containers.missing")
        with pytest.raises(CrunpyError, match="SIGSEGV"):
            await worker.call("containers.killed", 11)
        back, _, _ = await worker.call("containers.pass_back", Descriptor(2))  # type: ignore[misc]
        assert not os.get_inheritable(back.fd)
        back.close()

    run(act)


def test_large_values() -> None:
    async def act(worker: AsyncWorker) -> None:
        data = os.urandom(1 << 20) * 30
        assert await worker.call("containers.echo", data) == (data,)

    run(act)


def test_a_thousand_tasks() -> None:
    async def act(worker: AsyncWorker) -> None:
        found = await asyncio.gather(*(worker.call("containers.echo", n) for n in range(400)))
        assert found == [(n,) for n in range(400)]

    run(act)


def test_streams(tmp_path: Path) -> None:
    async def act(worker: AsyncWorker) -> None:
        assert [n async for n in worker.stream("containers.count", 500)] == list(range(500))
        async with worker.stream("containers.forever", str(tmp_path / "note")) as stream:
            pid = await anext(stream)
        for _ in range(200):
            if not alive(pid):  # type: ignore[arg-type]
                break
            await asyncio.sleep(0.01)
        assert (tmp_path / "note").read_text() == "unwound"
        worker.stream("containers.count", 1)  # never begun

    run(act)


def test_a_cancelled_task_interrupts_its_call(tmp_path: Path) -> None:
    async def act(worker: AsyncWorker) -> None:
        pids: list[int] = []
        note = tmp_path / "note"
        call = worker.call("containers.unwinds", str(note), on_event=pids.append)  # type: ignore[arg-type]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call, 0.3)
        for _ in range(200):
            if not alive(pids[0]):
                break
            await asyncio.sleep(0.01)
        assert note.read_text() == "unwound"

    run(act)


def test_a_killed_worker_is_replaced() -> None:
    async def act(worker: AsyncWorker) -> None:
        first = await worker.call("containers.parent")
        task = asyncio.ensure_future(worker.call("containers.sleep", 60))
        await asyncio.sleep(0.2)
        kill(first)  # type: ignore[arg-type]
        with pytest.raises(CrunpyError, match="worker"):
            await task
        assert await worker.call("containers.parent") != first

    run(act)


def test_one_loop_after_another() -> None:
    with nothing_left():
        worker = AsyncWorker("/tmp/r", "/tmp/toy-run", package="toy")
        first = asyncio.run(worker.call("containers.parent"))
        assert asyncio.run(worker.call("containers.parent")) == first
        asyncio.run(worker.close())
        gone(first)  # type: ignore[arg-type]


def test_a_flood_leaves_others_their_turn() -> None:
    async def act(worker: AsyncWorker) -> None:
        async def drink() -> None:
            async for _ in worker.stream("containers.drops"):
                pass

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(drink(), 0.3)

    run(act)
