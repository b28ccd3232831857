"""A container of a network tries to speak as another one, or as the gateway."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from engine import Engine, wait_for

SLEEP = ("busybox", "sleep", "1000")


@pytest.fixture
def three(engine: Engine) -> Iterator[Engine]:
    """victim, peer and attacker on one network, the last with all that it takes."""
    engine.ok("network", "create", "--ipv6", "back")
    for name in ("victim", "peer", "attacker"):
        engine.detached("--network", "back", "--name", name, "--cap-add", "NET_ADMIN", *SLEEP)
    yield engine
    engine.ok("rm", "-f", "-a", "-t0")
    engine.ok("network", "rm", "back")


def on(engine: Engine, name: str, field: str) -> str:
    return str(engine.inspect(name)["NetworkSettings"]["Networks"]["back"][field])


def neighbour(engine: Engine, container: str, address: str) -> str:
    """The hardware address that a container takes for an IP address."""
    shown = engine.ok("exec", container, "ip", "neigh", "show", address)
    return (re.findall(r"lladdr ([0-9a-f:]+)", shown) or [""])[0]


def poison(engine: Engine) -> str:
    """The attacker says that the gateway's address is its own; whom the peer then takes for it."""
    gateway = on(engine, "peer", "Gateway")
    engine.ok("exec", "peer", "ping", "-c1", "-W1", gateway)
    engine.run("exec", "attacker", "ip", "addr", "add", f"{gateway}/32", "dev", "eth0")
    engine.ok("exec", "peer", "ip", "neigh", "flush", "dev", "eth0")
    for option in ("-U", "-A"):
        words = ("arping", option, "-c2", "-I", "eth0", "-s", gateway, gateway)
        engine.run("exec", "attacker", *words)
    peer = on(engine, "peer", "IPAddress")
    engine.run("exec", "attacker", "arping", "-c1", "-w1", "-I", "eth0", "-s", gateway, peer)
    return neighbour(engine, "peer", gateway)


def test_arp(three: Engine) -> None:
    assert poison(three) == "", "nobody was believed"
    gateway = on(three, "peer", "Gateway")
    three.ok("exec", "peer", "ping", "-c1", "-W1", gateway)
    assert neighbour(three, "peer", gateway) not in ("", on(three, "attacker", "MacAddress"))


def test_arp_without_the_guard(root: Engine) -> None:
    """The attack is one: where nobody guards, it succeeds."""
    root.ok("network", "create", "--ipv6", "back")
    for name in ("victim", "peer", "attacker"):
        root.detached("--network", "back", "--name", name, "--cap-add", "NET_ADMIN", *SLEEP)
    table = json.loads((root.root / "networks/back.json").read_text())["table"]
    subprocess.run(["nft", "delete", "table", "bridge", table], check=True)
    assert poison(root) == on(root, "attacker", "MacAddress")
    root.ok("network", "reload", "--all")
    assert (
        "guarded"
        in subprocess.run(
            ["nft", "list", "table", "bridge", table], capture_output=True, text=True
        ).stdout
    )
    root.ok("rm", "-f", "-a", "-t0")
    root.ok("network", "rm", "back")


@pytest.mark.parametrize("family", ["4", "6"])
def test_addresses_of_others(three: Engine, family: str) -> None:
    field, length = {"4": ("IPAddress", "24"), "6": ("GlobalIPv6Address", "64")}[family]
    victim, peer = on(three, "victim", field), on(three, "peer", field)
    assert three.run("exec", "attacker", "ping", f"-{family}", "-c1", "-W1", peer).code == 0
    three.ok("rm", "-f", "-t0", "victim")  # so that nobody else answers
    three.ok("exec", "attacker", "ip", f"-{family}", "addr", "add", f"{victim}/{length}", "dev",
             "eth0")  # fmt: skip
    wait_for(
        lambda: "tentative" not in three.ok("exec", "attacker", "ip", "addr", "show", "eth0"),
        10,
        0.1,
    )
    done = three.run("exec", "attacker", "ping", f"-{family}", "-I", victim, "-c2", "-W1", peer)
    assert done.code == 1 and "100% packet loss" in done.out
    assert three.run("exec", "peer", "ping", f"-{family}", "-c1", "-W1", victim).code == 1


def test_another_hardware_address(three: Engine) -> None:
    """As the bridge's learning of addresses could be misled."""
    mac = on(three, "victim", "MacAddress")
    three.ok("exec", "attacker", "ip", "link", "set", "eth0", "address", mac)
    peer = on(three, "peer", "IPAddress")
    assert three.run("exec", "attacker", "ping", "-c1", "-W1", peer).code == 1
    assert three.run("exec", "victim", "ping", "-c1", "-W1", peer).code == 0


def test_who_shares_the_interface_of_one_that_ends(three: Engine) -> None:
    """It is not guarded any more, and leads nowhere: its addresses are free for others."""
    three.detached("--network", "container:attacker", "--name", "guest", "--cap-add", "NET_ADMIN",
                   *SLEEP)  # fmt: skip
    peer, victim = on(three, "peer", "IPAddress"), on(three, "victim", "IPAddress")
    three.ok("exec", "guest", "ping", "-c1", "-W2", peer)
    own = on(three, "attacker", "IPAddress")
    three.ok("stop", "-t0", "attacker")
    three.run("exec", "guest", "ip", "addr", "add", f"{victim}/32", "dev", "eth0")
    three.ok("exec", "peer", "ip", "neigh", "flush", "dev", "eth0")
    for option in ("-U", "-A"):
        words = ("arping", option, "-c2", "-I", "eth0", "-s", victim, victim)
        three.run("exec", "guest", *words)
    for source in (victim, own):
        assert three.run("exec", "guest", "ping", "-c1", "-W1", "-I", source, peer).code == 1
    assert neighbour(three, "peer", victim) == neighbour(three, "peer", own) == ""
    three.ok("exec", "peer", "ping", "-c1", "-W2", victim)


def test_what_is_left_of_one_that_ends(three: Engine) -> None:
    """The kernel goes on asking for a moment, from an interface that is to be removed."""
    peer, victim = on(three, "peer", "IPAddress"), on(three, "victim", "IPAddress")
    script = f"ip addr flush dev eth0; ip addr add {victim}/24 dev eth0; ping -c1 -W1 {peer}"
    for _ in range(4):
        three.ok("exec", "peer", "ip", "neigh", "flush", "dev", "eth0")
        three.run("run", "--rm", "--network", "back", "--cap-add", "NET_ADMIN", "busybox", "sh",
                  "-c", script)  # fmt: skip
        assert neighbour(three, "peer", victim) in ("", on(three, "victim", "MacAddress"))
