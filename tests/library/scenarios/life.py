"""The life of containers."""

from __future__ import annotations

import time

import pytest

import crun_py
from crun_py.aio import Container, Engine

SLEEP = ["sleep", "1000"]


async def from_birth_to_death(engine: Engine) -> None:
    made = await engine.containers.create("busybox", SLEEP, name="one", network="none")
    assert (made.state, made.running, made.exit_code) == ("created", False, 0)
    assert len(made.id) == 64 and made.name == "one"
    await made.start()
    assert (made.state, made.running) == ("running", True)
    await made.start()
    await made.stop(timeout=0)
    assert (made.state, made.exit_code) == ("exited", 137)
    await made.restart(timeout=0, signal=9)
    assert made.running
    with pytest.raises(crun_py.Conflict):
        await made.remove()
    await made.kill(signal=9)
    assert await made.wait() == 137
    await made.rename("other")
    assert made.name == "other" and made.info.name == "other"
    again = await engine.containers.get(made.id[:12])
    assert again == made and hash(again) == hash(made) and again != 1
    assert "other" in repr(made)
    await made.remove()
    with pytest.raises(crun_py.NotFound):
        await made.reload()
    assert not await engine.containers.exists("other")


async def held_before_its_command(engine: Engine) -> None:
    async with await engine.containers.create("busybox", ["true"], network="none") as made:
        await made.init()
        assert made.state == "initialized"
        await made.start()
        assert await made.wait() == 0


async def frozen(engine: Engine) -> None:
    async with await engine.containers.run(
        "busybox", SLEEP, detach=True, network="none", stop_timeout=0
    ) as made:
        try:
            await made.pause()
        except crun_py.Unsupported:
            return  # a user without a cgroup of his own
        assert made.state == "paused" and made.running
        await made.unpause()
        assert made.state == "running"


async def signals_and_codes(engine: Engine) -> None:
    trap = "trap 'exit 7' USR1; trap 'exit 8' TERM; echo ready; while :; do sleep 0.05; done"
    async with await engine.containers.run(
        "busybox", ["sh", "-c", trap], detach=True, network="none"
    ) as made:
        await made.wait_until(log="ready")
        await made.stop(signal=10)
        assert made.exit_code == 7
        await made.start()
        await made.wait_until(log="ready", timeout=5)
        time.sleep(0.3)
        await made.stop(5)
        assert made.exit_code == 8
        with pytest.raises(crun_py.Conflict):
            await made.kill()


async def removed_at_the_end_of_a_block(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError):
        async with await engine.containers.run(
            "busybox", SLEEP, detach=True, network="none", volumes=["/anonymous"]
        ) as made:
            assert len(await engine.volumes.list()) == 1
            raise ZeroDivisionError
    assert not await engine.containers.exists(made.id)
    assert not await engine.volumes.list()
    async with made:
        await engine.containers.prune()  # that it is gone already is no error
    async with await engine.containers.create("busybox", network="none") as made:
        await made.remove(force=True, volumes=True)


async def listed(engine: Engine) -> None:
    async with (
        await engine.containers.run(
            "busybox", SLEEP, detach=True, network="none", labels={"a": "b"}, stop_timeout=0
        ) as first,
        await engine.containers.create("busybox", ["true"], network="none") as second,
    ):
        assert await engine.containers.list() == [first]
        assert await engine.containers.list(all=True) == [second, first]
        assert await engine.containers.list(all=True, filters=["label=a=b"]) == [first]
        assert first.labels == {"a": "b"}
        assert await engine.containers.list(filters=["status=created"], all=True) == [second]
        with pytest.raises(crun_py.InvalidArgument):
            await engine.containers.list(filters=["nothing=x"])
        with pytest.raises(crun_py.Conflict):
            await first.remove(dry_run=True)
        await first.remove(force=True, dry_run=True)
        await second.remove(dry_run=True, volumes=True)
        assert await engine.containers.list(all=True) == [second, first]
        would = await engine.containers.prune(filters=["label!=c"], dry_run=True)
        gone = await engine.containers.prune(filters=["label!=c"])
        assert gone.names == would.names == (second.id,)


async def changed(engine: Engine) -> None:
    async with await engine.containers.create("busybox", ["true"], network="none") as made:
        await made.update(restart="on-failure:3")
        await made.update(restart=crun_py.RestartPolicy("always"))
        await made.update(crun_py.Limits(cpu_shares=512))
        await made.update(restart="no")


async def began_and_is_gone(engine: Engine) -> None:
    """A container that removes itself may have ended before anybody looks."""
    for _ in range(5):
        made = await engine.containers.run(
            "busybox", ["true"], detach=True, remove=True, network="none"
        )
        assert made.info.auto_remove
    for _ in range(500):
        if not await engine.containers.list(all=True):
            return
        time.sleep(0.02)
    raise AssertionError("they stay")


async def replaced(engine: Engine) -> None:
    first = await engine.containers.create("busybox", name="one", network="none")
    with pytest.raises(crun_py.Conflict):
        await engine.containers.create("busybox", name="one", network="none")
    second: Container = await engine.containers.create(
        "busybox", name="one", network="none", replace=True
    )
    assert first != second
    await second.remove()
