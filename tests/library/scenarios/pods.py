"""Pods."""

from __future__ import annotations

import pytest

import crun_py
from crun_py.aio import Engine

SLEEP = ["sleep", "1000"]


async def made_and_removed(engine: Engine) -> None:
    async with await engine.pods.create(
        "p", network="none", labels={"a": "b"}, hostname="h", infra_name="first",
        share=["net", "uts", "pid"], exit_policy="continue",
    ) as pod:  # fmt: skip
        assert pod.state == "Created" and pod.name == "p" and pod.labels == {"a": "b"}
        assert pod.containers == () and len(pod.id) == 64 and "p" in repr(pod)
        made = await engine.containers.create("busybox", SLEEP, pod="p", name="one")
        assert made.info.pod == pod.id and not made.info.infra
        info = await pod.reload()
        assert isinstance(info, crun_py.PodInfo) and isinstance(info.infra, crun_py.PodInfra)
        assert info.shared == ("net", "pid", "uts") and info.hostname == "h"
        [member] = pod.containers
        assert isinstance(member, crun_py.PodContainer)
        assert (member.name, member.state, member.infra) == ("one", "created", False)
        first = await engine.containers.get("first")
        assert first.info.infra and first.id == info.infra.id
        assert await engine.pods.exists("p") and not await engine.pods.exists("q")
        assert await engine.pods.get(pod.id[:12]) == pod
        assert await engine.pods.list(filters={"name": "p"}) == [pod]
        with pytest.raises(crun_py.Conflict):
            await engine.pods.create("p", network="none")
        with pytest.raises(crun_py.InvalidArgument):
            await engine.containers.create("busybox", pod="p", ports=[80])
        with pytest.raises(TypeError):
            await engine.pods.create("q", tty=True)
        with pytest.raises(crun_py.InvalidArgument):
            await engine.pods.create("q", infra=False, ports={80: None})
        replaced = await engine.pods.create("p", network="none", replace=True)
        assert replaced != pod and len({replaced, pod}) == 2
        await replaced.remove()
    assert await engine.pods.list() == []


async def lives(engine: Engine) -> None:
    async with await engine.pods.create("p", network="none", share=["net", "uts"]) as pod:
        await engine.containers.create("busybox", SLEEP, pod=pod.id, name="one")
        await pod.start()
        assert pod.state == "Running" and [c.state for c in pod.containers] == ["running"]
        said = await engine.containers.run("busybox", ["hostname"], pod="p")
        assert said == b"p\n"
        table = await pod.top(columns=["args"])
        assert ["sleep 1000"] in [list(row) for row in table.processes]
        with pytest.raises(crun_py.Conflict):
            await pod.remove()
        try:
            await pod.pause()
        except crun_py.Unsupported:
            pass  # a host without a freezer
        else:
            assert pod.state == "Paused"
            await pod.unpause()
        await pod.restart()
        assert pod.state == "Running"
        await pod.kill(signal=9)
        assert pod.state == "Exited"
        await pod.start()
        await pod.stop(timeout=0)
        assert pod.state == "Exited"
        assert (await engine.pods.prune(filters=["label=x"])).names == ()
        assert (await engine.pods.prune(dry_run=True)).names == (pod.id,)
        assert (await engine.pods.prune()).names == (pod.id,)
    assert await engine.containers.list(all=True) == []


async def ports(engine: Engine) -> None:
    async with await engine.pods.create(ports={80: 18123}) as pod:
        assert pod.ports[80].host_port == 18123
    pod = await engine.pods.create("q", network="none")
    await pod.remove(force=True)
