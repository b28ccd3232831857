"""What a network of driver bridge does otherwise (network create --opt), as root and as a user."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator

import pytest
from engine import Engine, free_port, wait_for

SLEEP = ("busybox", "sleep", "1000")
WEB = ("busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hi")
DOCKER = "com.docker.network."


@pytest.fixture
def networks(engine: Engine) -> Iterator[Engine]:
    yield engine
    engine.run("rm", "-f", "-a", "-t", "0")
    engine.ok("network", "prune", "-f")


def sh(script: str) -> None:
    subprocess.run(["sh", "-ec", script], check=True)


def read(host: str, port: int) -> str:
    """What is said there, "" for nothing."""
    try:
        with socket.create_connection((host, port), timeout=2) as s:
            return b"".join(iter(lambda: s.recv(100), b"")).decode()
    except OSError:
        return ""


def asks(engine: Engine, container: str, host: str, port: int) -> str:
    command = f"nc -w 2 {host} {port} < /dev/null"
    return engine.run("exec", container, "sh", "-c", command).out


def address(engine: Engine, container: str, network: str) -> str:
    return str(engine.inspect(container)["NetworkSettings"]["Networks"][network]["IPAddress"])


def test_containers_that_do_not_reach_each_other(networks: Engine) -> None:
    """enable_icc=false: neither at their hardware addresses nor by the gateway; from elsewhere
    published ports answer all the same."""
    engine = networks
    engine.ok("network", "create", "-o", DOCKER + "bridge.enable_icc=false", "apart")
    port = free_port()
    engine.detached("--network", "apart", "--name", "a", "-p", f"{port}:80", *WEB)
    engine.detached("--network", "apart", "--name", "b", "--cap-add", "NET_ADMIN", *SLEEP)
    there = address(engine, "a", "apart")
    assert wait_for(lambda: read("127.0.0.1", port)) == "hi\n"
    assert not asks(engine, "b", "a", 80)
    gateway = engine.inspect("a")["NetworkSettings"]["Networks"]["apart"]["Gateway"]
    engine.ok("exec", "b", "ip", "route", "add", f"{there}/32", "via", gateway)
    assert not asks(engine, "b", there, 80)
    assert engine.run("exec", "b", "ping", "-c1", "-W2", gateway).code == 0


def test_the_address_that_ports_have_without_one(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "-o", DOCKER + "bridge.host_binding_ipv4=127.0.0.3", "local")
    port, other, more = free_port(), free_port(), free_port()
    engine.detached("--network", "local", "--name", "a", "-p", f"{port}:80", "-p",
                    f"127.0.0.1:{other}:80", *WEB)  # fmt: skip
    assert f"80/tcp -> 127.0.0.3:{port}" in engine.ok("port", "a")
    assert wait_for(lambda: read("127.0.0.3", port)) == "hi\n"
    assert not read("127.0.0.1", port) and read("127.0.0.1", other) == "hi\n"
    engine.ok("port", "add", "a", f"{more}:80")
    assert read("127.0.0.3", more) == "hi\n" and not read("127.0.0.1", more)


def test_names_of_interfaces_and_no_default_route(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "-o", DOCKER + "container_iface_prefix=net", "first")
    engine.ok("network", "create", "-o", "no_default_route=1", "second")
    out = engine.ok("run", "--rm", "--network", "second", "--network", "first", "busybox", "sh",
                    "-c", "ip -o -4 addr; ip route")  # fmt: skip
    lines = out.splitlines()
    assert [line.split()[1] for line in lines if " inet " in line] == ["lo", "eth0", "net0"]
    assert [line.split()[4] for line in lines if line.startswith("default")] == ["net0"]


def test_no_translation(root: Engine) -> None:
    """What leaves has the container's own address; what is beyond must know the way back."""
    root.ok("network", "create", "--subnet", "10.66.7.0/24", "-o",
            DOCKER + "bridge.enable_ip_masquerade=false", "plain")  # fmt: skip
    root.ok("network", "create", "--subnet", "10.66.8.0/24", "usual")
    with Beyond() as beyond:
        for network, seen in (("plain", "10.66.7."), ("usual", NEAR)):
            port = beyond.listen()
            root.run("run", "--rm", "--network", network, "busybox", "nc", "-w2", FAR,
                     str(port))  # fmt: skip
            assert beyond.peer().startswith(seen), network
    root.ok("network", "rm", "plain", "usual")


def test_routed(root: Engine) -> None:
    """A published port is the container's own, and the others are shut."""
    root.ok("network", "create", "--subnet", "10.66.9.0/24", "-o",
            DOCKER + "bridge.gateway_mode_ipv4=routed", "routed")  # fmt: skip
    port = free_port()
    script = "nc -ll -p 80 -e echo hi & exec nc -ll -p 81 -e echo secret"
    root.detached("--network", "routed", "--name", "a", "-p", f"{port}:80", "busybox", "sh", "-c",
                  script)  # fmt: skip
    there = address(root, "a", "routed")
    with Beyond() as beyond:
        assert wait_for(lambda: beyond.ask(there, 80)) == "hi\n"
        assert not beyond.ask(there, 81) and not read("127.0.0.1", port)
        root.ok("port", "add", "a", "81")
        assert beyond.ask(there, 81) == "secret\n"
        root.ok("port", "rm", "a", "81")
        assert not beyond.ask(there, 81)
        table = json.loads((root.root / "networks/routed.json").read_text())["table"]
        for family in ("ip", "ip6", "bridge"):  # not the rules of tests beside this one
            subprocess.run(["nft", f"add table {family} {table}; delete table {family} {table}"],
                           check=True)  # fmt: skip
        assert beyond.ask(there, 81) == "secret\n"
        root.ok("network", "reload", "-a")
        assert beyond.ask(there, 80) == "hi\n" and not beyond.ask(there, 81)
        assert root.ok("port", "a") == ""
        root.ok("rm", "-f", "-t0", "a")
    rules = json.loads(
        subprocess.run(["nft", "-j", "list", "ruleset"], capture_output=True, check=True).stdout
    )
    opened = [
        e["set"].get("elem") for e in rules["nftables"] if e.get("set", {}).get("name") == "open"
    ]
    assert opened and not any(opened)
    root.ok("network", "rm", "routed")


WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
NEAR, FAR = f"198.18.{WORKER}.1", f"198.18.{WORKER}.2"


class Beyond:
    """A machine behind an interface of the host, which sends all to the host."""

    def __enter__(self) -> Beyond:
        self._name, self._link = f"beyond{os.getpid()}", f"up{WORKER}"
        sh(f"ip netns add {self._name}; "
           f"ip link add {self._link} type veth peer name eth0 netns {self._name}; "
           f"ip addr add {NEAR}/24 dev {self._link}; ip link set {self._link} up; "
           f"ip -n {self._name} addr add {FAR}/24 dev eth0; ip -n {self._name} link set eth0 up; "
           f"ip -n {self._name} route add default via {NEAR}")  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        sh(f"ip netns del {self._name}; ip link del {self._link} 2>/dev/null || true")

    def _there(self, *command: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self._name}", *command]

    def listen(self) -> int:
        script = (
            f"import socket; s = socket.create_server(('{FAR}', 0)); "
            "print(s.getsockname()[1], flush=True); s.settimeout(20); print(s.accept()[1][0])"
        )
        self._listener = subprocess.Popen(
            self._there("python3", "-c", script),
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._listener.stdout
        return int(self._listener.stdout.readline())

    def peer(self) -> str:
        """Whose connection it was."""
        return self._listener.communicate(timeout=30)[0].strip()

    def ask(self, host: str, port: int) -> str:
        command = self._there("busybox", "nc", "-w", "2", host, str(port))
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.stdout


def test_a_bridge_of_the_hosts_own(root: Engine) -> None:
    """mode=unmanaged: containers are ports of it, in a VLAN if that is asked for."""
    told = root.fails("network", "create", "-o", "mode=unmanaged", "own")
    assert "which one" in told
    root.ok("network", "create", "-o", "mode=unmanaged", "--interface-name", "mine0", "--subnet",
            "10.66.10.0/24", "own")  # fmt: skip
    assert "no bridge mine0" in root.fails("run", "--rm", "--network", "own", "busybox", "true")
    sh("ip link add mine0 type bridge; ip addr add 10.66.10.1/24 dev mine0; ip link set mine0 up")
    try:
        root.detached("--network", "own", "--name", "a", *WEB)
        there = address(root, "a", "own")
        assert wait_for(lambda: read(there, 80)) == "hi\n"
        root.detached("--network", "own", "--name", "b", *SLEEP)
        assert asks(root, "b", "a", 80) == "hi\n"
        root.ok("rm", "-f", "-t0", "-a")
        root.ok("network", "rm", "own")
        shown = subprocess.run(["ip", "addr", "show", "mine0"], capture_output=True, text=True)
        assert "10.66.10.1/24" in shown.stdout
        assert (
            "mine0"
            not in subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout
        )
    finally:
        subprocess.run(["ip", "link", "del", "mine0"], check=True)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("vlan=4095", "not between"),
        ("vlan=x", "vlan"),
        (DOCKER + "bridge.gateway_mode_ipv6=isolated", "nat or routed"),
        (DOCKER + "bridge.enable_icc=maybe", "not true or false"),
        (DOCKER + "bridge.host_binding_ipv4=nowhere", "nowhere"),
        (DOCKER + "container_iface_prefix=a/b", "not valid"),
        ("mode=l2", "modes"),
    ],
)
def test_refused(root: Engine, option: str, told: str) -> None:
    assert told in root.fails("network", "create", "-o", option, "bad")
    assert "bad" not in root.ok("network", "ls", "-q")
