"""Networks, their ports and names, and secrets."""

from __future__ import annotations

import os
import socket
import time

import pytest

import crun_py
from crun_py.aio import Container, Engine

SLEEP = ["sleep", "1000"]
ANSWER = ["sh", "-c", "while :; do echo hello | nc -l -p 80; done"]


def _read(port: int) -> bytes:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
                if said := s.recv(100):
                    return said
        except OSError:
            time.sleep(0.05)
    return b""


async def _reaches(container: Container, name: str) -> bool:
    done = await container.exec(["ping", "-c1", "-W1", name], check=False)
    return done.exit_code == 0


async def made_and_removed(engine: Engine) -> None:
    # another program's may be at it on the same host
    own, six = f"10.{1 + os.getpid() % 19}.4", f"fd00:{1000 + os.getpid() % 8000}:"
    made = await engine.networks.create(
        "back", driver="bridge", subnets=[f"{own}.0/24", crun_py.Subnet(f"{six}:/64")],
        labels={"a": "b"}, mtu=1400, dns_servers=["192.0.2.9"],
        routes=[crun_py.Route("10.99.0.0/24", f"{own}.77")],
    )  # fmt: skip
    assert isinstance(made, crun_py.NetworkInfo) and isinstance(made.network, crun_py.Network)
    assert [subnet.gateway for subnet in made.network.subnets] == [f"{own}.1", f"{six}:1"]
    assert made.containers == () and made.network.ipv4 and made.network.ipv6
    assert await engine.networks.get(made.network.id[:10]) == made
    again = await engine.networks.create("back", exist_ok=True)
    assert again == made
    with pytest.raises(crun_py.Conflict):
        await engine.networks.create("back")
    with pytest.raises(crun_py.InvalidArgument):
        await engine.networks.create(driver="macvlan", subnets="10.0.0.0/30", mode="private",
                                     parent="eth9", interface="")  # fmt: skip
    plain = await engine.networks.create(ipv6=True, internal=True, dns=False)
    assert plain.network.name == "crunpy1" and plain.network.internal and not plain.network.dns
    assert await engine.networks.exists("crunpy1") and not await engine.networks.exists("nothing")
    names = [info.network.name for info in await engine.networks.list(filters={"label": "a=b"})]
    assert names == ["back"]
    changed = await engine.networks.update("back", dns_add=["192.0.2.7"], dns_drop=["192.0.2.9"])
    assert changed.network.dns_servers == ("192.0.2.7",)
    would = await engine.networks.prune(filters=["until=0s"], dry_run=True)
    assert "crunpy1" in would.names
    assert (await engine.networks.prune(filters=["until=0s"])).names == would.names
    await engine.networks.create("back", exist_ok=True)
    await engine.networks.remove("back")
    with pytest.raises(crun_py.NotFound):
        await engine.networks.remove("back")
    apart = crun_py.BridgeOptions(between=False, prefix="net")
    await engine.networks.create("last", bridge=apart, metric=7)
    assert (await engine.networks.get("last")).network.bridge == apart
    await engine.containers.create("busybox", SLEEP, network="last")
    with pytest.raises(crun_py.Conflict):
        await engine.networks.remove("last")
    await engine.networks.remove("last", force=True)
    assert await engine.containers.list(all=True) == []


async def joined_and_left(engine: Engine) -> None:
    for name in ("one", "two"):
        await engine.networks.create(name)
    web = await engine.containers.run(
        "busybox", ANSWER, detach=True, name="web", ports={80: None},
        networks=[crun_py.Join("one", aliases=("www",)), "two"],
    )  # fmt: skip
    peer = await engine.containers.run("busybox", SLEEP, detach=True, network="one")
    assert await _reaches(peer, "www") and await _reaches(peer, "web")
    attached = web.info.networks
    assert all(isinstance(one, crun_py.Attachment) for one in attached)
    assert [one.network for one in attached] == ["one", "two"]
    assert web.ip_address == attached[0].ip
    found = (await engine.networks.get("two")).containers
    assert [(one.name, one.ip) for one in found] == [("web", attached[1].ip)]
    assert all(isinstance(one, crun_py.Endpoint) for one in found)
    await engine.networks.disconnect("one", "web")
    assert not await _reaches(peer, "web")
    with pytest.raises(crun_py.NotFound):
        await engine.networks.disconnect("one", "web")
    await engine.networks.disconnect("one", "web", force=True)
    for bad in ("a\nb", "a b", ""):
        with pytest.raises(crun_py.InvalidArgument, match="not a name"):
            await engine.networks.connect("one", "web", links={peer.name: bad})
    await engine.networks.connect("one", "web", aliases=["again"], ip="", ip6="", mac="",
                                  links={peer.name: "other"})  # fmt: skip
    assert await _reaches(web, "other")
    assert await _reaches(peer, "again")
    for one in (web, peer):
        await one.remove(force=True)
    for name in ("one", "two"):
        await engine.networks.remove(name)


async def ports_while_it_runs(engine: Engine) -> None:
    await engine.networks.create("out")
    web = await engine.containers.run("busybox", ANSWER, detach=True, network="out",
                                      ip6_address="")  # fmt: skip
    ports = await web.publish({80: None})
    number = ports[80].host_port
    assert _read(number) == b"hello\n"
    with pytest.raises(crun_py.Conflict):
        await web.publish([f"{number}:81"])
    await web.unpublish([f"{number}:80"])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", number), timeout=2)
    await web.remove(force=True)
    await engine.networks.remove("out")


async def secrets(engine: Engine) -> None:
    made = await engine.secrets.create("word", b"open sesame", labels={"a": "b"})
    assert isinstance(made, crun_py.SecretInfo) and made.labels == {"a": "b"}
    assert await engine.secrets.get(made.id[:9]) == made
    assert await engine.secrets.exists("word") and not await engine.secrets.exists("other")
    with pytest.raises(crun_py.Conflict):
        await engine.secrets.create("word", "other")
    changed = await engine.secrets.create("word", "other", replace=True)
    assert changed.id == made.id and await engine.secrets.read("word") == b"other"
    assert [one.name for one in await engine.secrets.list(filters={"name": "wor"})] == ["word"]
    out = await engine.containers.run(
        "busybox", ["sh", "-c", "cat /run/secrets/word; echo -$WORD"], network="none",
        secrets=["word", crun_py.SecretUse("word", variable="WORD")],
    )  # fmt: skip
    assert out == b"other-other\n"
    await engine.secrets.remove("word")
    with pytest.raises(crun_py.NotFound):
        await engine.secrets.read("word")
