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
        await pod.restart(timeout=0)
        assert pod.state == "Running"
        await pod.kill(signal=9)
        assert pod.state == "Exited"
        copy = await pod.clone("q", start=True)
        assert copy.state == "Running" and [c.name for c in copy.containers] == ["one-clone"]
        with pytest.raises(crun_py.Conflict):
            await pod.clone("q")
        last = await copy.clone(destroy=True)
        assert (last.name, last.state) == ("q-clone", "Created")
        assert not await engine.pods.exists("q")
        await last.remove()
        await pod.start()
        await pod.stop(timeout=0)
        assert pod.state == "Exited"
        assert (await engine.pods.prune(filters=["label=x"])).names == ()
        assert (await engine.pods.prune(dry_run=True)).names == (pod.id,)
        assert (await engine.pods.prune()).names == (pod.id,)
    assert await engine.containers.list(all=True) == []


async def tells(engine: Engine) -> None:
    """By the Pod itself: it is joined, and says what its containers wrote and use."""
    async with await engine.pods.create("p", network="none", restart="on-failure") as pod:
        for name in ("a", "b"):
            one = await engine.containers.run(
                "busybox", ["sh", "-c", f"echo from {name}; echo to >&2; sleep 1000"], pod=pod,
                name=name, detach=True)  # fmt: skip
            async for line in await one.logs(follow=True):
                if line == b"to\n":
                    break
        assert pod.info.restart is None or pod.info.restart.name == "on-failure"
        assert await pod.reload() and pod.info.restart == crun_py.RestartPolicy("on-failure")
        said = [line async for line in pod.logs(tail=2, since=0, until=4e9)]
        assert all(isinstance(line, crun_py.PodLine) for line in said)
        assert [(line.container, line.text) for line in said if line.stream == "stdout"] == [
            ("a", "from a\n"), ("b", "from b\n")]  # fmt: skip
        assert len(said) == 4 and sorted(line.time for line in said) == [line.time for line in said]
        async for used in pod.stats(interval=0.1):
            assert {"a", "b"} < {one.name for one in used}
            break
        await pod.restart(timeout=0)
        seen: list[str] = []
        async for line in pod.logs(follow=True):
            seen.append(line.container)
            if len(seen) == 8:
                await pod.stop(timeout=0)
        assert sorted(seen) == ["a"] * 4 + ["b"] * 4


MANIFEST = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claimed}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden}
---
apiVersion: v1
kind: Pod
metadata: {name: k}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: one
    image: busybox
    command: [sleep, "1000"]
    envFrom: [{configMapRef: {name: m}}]
    ports: [{containerPort: 80, hostPort: 1}]
"""
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {SAID: hello}\n"


async def manifests(engine: Engine) -> None:
    with pytest.raises(crun_py.NotFound, match="no ConfigMap m"):
        await engine.kube.play(MANIFEST, network="none")
    with pytest.raises(crun_py.InvalidArgument, match=r"spec\.containers: there is none"):
        await engine.kube.play(MANIFEST.partition("  containers:")[0] + "  x: 1\n")
    done = await engine.kube.play(
        MANIFEST.encode(), config_maps=[MAP], network="host", annotations={"a": "b"},
        labels={"c": "d"}, log=crun_py.LogConfig(driver="none"), ports=[],
        registry=crun_py.RegistryAccess(), networks=(),
    )  # fmt: skip
    assert isinstance(done, crun_py.Played) and done.volumes == ("claimed",)
    [made] = done.pods
    assert isinstance(made, crun_py.PlayedPod) and done.secrets == ("hidden",)
    [one] = [await engine.containers.get(name) for name in made.containers]
    assert one.info.labels["c"] == "d" and (await engine.pods.get("k")).state == "Running"
    assert (await one.exec(["sh", "-c", "echo $SAID"])).stdout == b"hello\n"
    again = await engine.kube.play(
        MANIFEST, config_maps=[MAP], ports={80: ("127.0.0.1", 18124)}, start=False, replace=True
    )
    pod = await engine.pods.get("k")
    assert pod.state == "Created" and pod.id == again.pods[0].id != made.id
    assert [(p.host_ip, p.host_port) for p in pod.ports.values()] == [("127.0.0.1", 18124)]
    text = await engine.kube.generate(["k"], deployment=True, service=True)
    assert "kind: Deployment" in text and "kind: Service" in text
    gone = await engine.kube.down(MANIFEST, force=True)
    assert isinstance(gone, crun_py.TakenDown)
    assert (gone.removed, gone.volumes, gone.secrets) == ((pod.id,), ("claimed",), ("hidden",))
    assert await engine.pods.list() == []


async def ports(engine: Engine) -> None:
    async with await engine.pods.create(ports={80: 18123}) as pod:
        assert pod.ports[80].host_port == 18123
    pod = await engine.pods.create("q", network="none")
    await pod.remove(force=True)
