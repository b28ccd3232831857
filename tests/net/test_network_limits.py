"""What networks must not do: take what is the host's, or lose what is a container's."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator

import pytest
from engine import Engine, free_port, wait_for

NAME = f"limits{os.getpid()}"
"""Of a network namespace, which other test runs must not have."""
SLEEP = ("busybox", "sleep", "1000")
SERVER = ("busybox", "nc", "-ll", "-p", "80", "-e", "echo", "served")


@pytest.fixture
def networks(engine: Engine) -> Iterator[Engine]:
    yield engine
    engine.run("rm", "-f", "-a", "-t", "0")
    engine.ok("network", "prune", "-f")


def sh(command: str) -> str:
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def beyond(root: Engine) -> Iterator[str]:
    """How commands are run on another machine, at 203.0.113.9; this one is 203.0.113.1."""
    sh(f"ip netns add {NAME}; ip link add near0 type veth peer name far0 netns {NAME}; "
       "ip addr add 203.0.113.1/24 dev near0; ip link set near0 up; "
       f"ip -n {NAME} addr add 203.0.113.9/24 dev far0; ip -n {NAME} link set far0 up; "
       f"ip -n {NAME} link set lo up")  # fmt: skip
    yield f"nsenter --net=/run/netns/{NAME}"
    sh(f"ip netns del {NAME}")
    subprocess.run(["ip", "link", "del", "near0"], check=False)


def read(port: int, host: str = "127.0.0.1", where: str = "") -> str:
    command = f"{where} busybox nc -w 2 {host} {port} </dev/null"
    return subprocess.run(command, shell=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("kind", ["bridge", "veth"])
def test_interfaces_of_the_host(root: Engine, kind: str) -> None:
    """A network does not take one, and does not delete one that came later."""
    other = "type veth peer name peer0" if kind == "veth" else "type bridge"
    sh(f"ip link add own0 {other}")
    try:
        told = root.fails("network", "create", "--interface-name", "own0", "taken")
        assert "the host has one" in told
        sh("ip link del own0")
        root.ok("network", "create", "--interface-name", "own0", "taken")
        sh(f"ip link add own0 {other}")
        assert "not ours" in root.fails("run", "--rm", "--network", "taken", "busybox", "true")
        root.ok("network", "rm", "taken")
        assert "own0" in sh("ip -o link show own0")
    finally:
        subprocess.run(["ip", "link", "del", "own0"], check=False)


@pytest.mark.parametrize(
    ("subnet", "said"),
    [
        ("192.0.2.0/25", "the host has an address"),
        ("127.0.0.0/24", "not for hosts"),
        ("224.0.0.0/24", "not for hosts"),
        ("255.255.255.0/24", "not for hosts"),
        ("ff00:1::/64", "not for hosts"),
    ],
)
def test_subnets_that_are_not_free(root: Engine, subnet: str, said: str) -> None:
    assert said in root.fails("network", "create", "--subnet", subnet, "x")
    assert root.run("network", "exists", "x").code == 1


def test_what_a_network_cannot_have(root: Engine) -> None:
    create = ("network", "create", "--subnet", "10.197.0.0/24")
    assert "a bridge has none" in root.fails(*create, "-o", "parent=lo", "x")
    told = root.fails(*create, "--route", "10.1.0.0/16,10.198.0.1", "x")
    assert "10.198.0.1 is in no subnet" in told


def test_ipv4_beside_a_subnet_of_ipv6(root: Engine) -> None:
    root.ok("network", "create", "--ipv6", "--subnet", "fd01:5::/64", "both")
    out = root.ok("run", "--rm", "--network", "both", "busybox", "ip", "-o", "addr", "show", "eth0")
    assert "inet 10." in out and "fd01:5::" in out
    root.ok("network", "rm", "both")


def test_what_conflicts_with_a_mode(engine: Engine) -> None:
    engine.detached("--name", "other", *SLEEP)
    for mode in ("none", "host", "container:other"):
        for option in ("--ip=10.1.2.3", "--mac-address=02:00:00:00:00:09", "--network-alias=x"):
            told = engine.fails("create", "--network", mode, option, "busybox")
            assert "conflict" in told, (mode, option)


def test_a_network_by_its_id(networks: Engine) -> None:
    engine = networks
    found = engine.ok("network", "create", "back")
    for id in (found, found[:12]):
        engine.detached("--network", id, "--name", f"c{len(id)}", *SLEEP)
        assert list(engine.inspect(f"c{len(id)}")["NetworkSettings"]["Networks"]) == ["back"]
        engine.ok("exec", f"c{len(id)}", "ping", "-c1", "-W2", f"c{len(id)}.back")
    assert "no network" in engine.fails("create", "--network", "f" * 12, "busybox")


def test_the_host_by_its_names(networks: Engine) -> None:
    """host.docker.internal leads to what listens on all addresses of the host."""
    engine = networks
    engine.ok("network", "create", "back")
    with socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        port = server.getsockname()[1]
        for name in ("host.docker.internal", "host.containers.internal"):
            command = ("run", "--rm", "--network", "back", "busybox", "nc", "-w2", name, str(port))
            client = engine.popen(*command)
            server.settimeout(15)
            peer, _ = server.accept()
            peer.sendall(b"the host\n")
            peer.close()
            assert client.communicate(timeout=30)[0] == b"the host\n", name


def test_names_of_interfaces(networks: Engine) -> None:
    """One that is named takes nothing from the others."""
    engine = networks
    for name in ("one", "two"):
        engine.ok("network", "create", name)
    for first, second in (("foo0", ""), ("foo0", "foo1"), ("eth1", "")):
        on = ["--network", f"one:interface_name={first}", "--network",
              "two" + (f":interface_name={second}" if second else "")]  # fmt: skip
        out = engine.ok("run", "--rm", *on, "busybox", "ip", "-o", "-4", "addr")
        there = sorted(line.split()[1] for line in out.splitlines())
        assert there == sorted([first, second or "eth0", "lo"]), out
    engine.detached("--network", "one:interface_name=foo0", "--name", "a", *SLEEP)
    engine.ok("network", "connect", "two", "a")
    out = engine.ok("exec", "a", "ip", "-o", "-4", "addr")
    assert sorted(line.split()[1] for line in out.splitlines()) == ["eth0", "foo0", "lo"]


def test_the_way_out_and_ports_move(networks: Engine) -> None:
    """To another network, when the one that had them goes."""
    engine = networks
    for name in ("one", "two"):
        engine.ok("network", "create", name)
    port = free_port()
    engine.detached("--network", "one", "--network", "two", "-p", f"{port}:80", "--name", "a",
                    *SERVER)  # fmt: skip
    assert wait_for(lambda: read(port)) == "served"
    engine.ok("network", "disconnect", "one", "a")
    assert "default via" in engine.ok("exec", "a", "ip", "route")
    assert wait_for(lambda: read(port)) == "served" == read(port, "::1")
    assert engine.ok("port", "a").endswith(f":{port}")
    engine.ok("network", "disconnect", "two", "a")
    assert read(port) == "" and engine.ok("port", "a") == ""
    engine.ok("network", "connect", "one", "a")
    assert wait_for(lambda: read(port)) == "served"
    assert "default via" in engine.ok("exec", "a", "ip", "route")


def test_a_hub_whose_monitors_were_killed(user: Engine) -> None:
    """Their containers have no network any more; others have one."""
    user.ok("network", "create", "back")
    first = user.detached("--network", "back", "--name", "a", *SLEEP)
    subprocess.run(["kill", "-9", str(user.pids(first)[0])], check=True)
    user.detached("--network", "back", "--name", "b", *SLEEP)
    user.detached("--network", "back", "--name", "c", *SLEEP)
    user.ok("exec", "b", "ping", "-c1", "-W2", "c")
    user.ok("rm", "-f", "-a", "-t0")
    user.ok("network", "rm", "back")


def test_ports_of_a_container_without_a_monitor(root: Engine) -> None:
    """They stay its own, and those that answer tell whose."""
    port = free_port()
    first = root.detached("--network", "bridge", "-p", f"{port}:80", "--name", "a", *SERVER)
    assert wait_for(lambda: read(port)) == "served"
    subprocess.run(["kill", "-9", str(root.pids(first)[0])], check=True)
    told = root.fails("run", "-d", "--network", "bridge", "-p", f"{port}:80", *SERVER)
    assert "container a" in told and "already in use" in told
    assert read(port) == "served"
    root.ok("rm", "-f", "-t0", "a")
    root.detached("--network", "bridge", "-p", f"{port}:80", "--name", "b", *SERVER)
    assert wait_for(lambda: read(port)) == "served"


def test_only_this_host_reaches_127_0_0_1(root: Engine, beyond: str) -> None:
    """A neighbour that sends packets for 127.0.0.1 here gets no answer."""
    local, everywhere = free_port(), free_port()
    root.detached("--network", "bridge", "-p", f"127.0.0.1:{local}:80", "-p", f"{everywhere}:80",
                  "--name", "a", *SERVER)  # fmt: skip
    assert wait_for(lambda: read(local)) == "served"
    assert wait_for(lambda: read(everywhere, "203.0.113.1", beyond)) == "served"
    for words in ("flush table local", "add local 203.0.113.9 dev far0 table local",
                  "add 127.0.0.1/32 via 203.0.113.1 src 203.0.113.9"):  # fmt: skip
        sh(f"ip -n {NAME} route {words}")
    for port in (local, everywhere):
        assert read(port, "127.0.0.1", beyond) == ""
    assert read(local) == "served"


def test_addresses_of_ipv6_without_ipv6_inside(root: Engine, beyond: str) -> None:
    """What NAT cannot lead there is passed on, as Docker's proxy does."""
    sh("ip addr add fd00:99::1/64 dev near0 nodad")
    sh(f"ip -n {NAME} addr add fd00:99::9/64 dev far0 nodad")
    everywhere, both, one = free_port(), free_port(), free_port()
    root.detached("--network", "bridge", "-p", f"{everywhere}:80", "-p", f"0.0.0.0:{both}:80",
                  "-p", f"[::]:{both}:80", "-p", f"[fd00:99::1]:{one}:80", "--name", "a",
                  *SERVER)  # fmt: skip
    for port, host in ((everywhere, "fd00:99::1"), (both, "fd00:99::1"), (both, "203.0.113.1"),
                       (one, "fd00:99::1")):  # fmt: skip
        assert wait_for(lambda port=port, host=host: read(port, host, beyond)) == "served", host
    assert read(one) == "" and read(both, "::1") == "served"
    root.detached("--network", "bridge", "-p", f"0.0.0.0:{one}:80", *SERVER)
    assert read(one, "::1") == ""
