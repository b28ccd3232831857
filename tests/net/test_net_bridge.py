"""crun_py.net.bridge with real namespaces: who reaches whom, and what is left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import netns
import pytest

from crun_py.errors import Conflict, CrunpyError, InvalidArgument
from crun_py.model.network import Attachment, Join, NetworkRequest, PortMapping, Subnet
from crun_py.net import attach, bridge, config, ipam, netlink, nft, ports
from crun_py.paths import Paths
from crun_py.record import from_json, to_json

pytestmark = netns.needs_root


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    with netns.private_network():
        yield netns.store(tmp_path)


def cid(number: int) -> str:
    return f"{number:08x}" + "0" * 56


def setup(
    paths: Paths, network: str, container_id: str, fd: int, given: list[PortMapping],
    wanted: str = "", mac: str = "", number: int = 0,
) -> Attachment:  # fmt: skip
    join = Join(network, ip=wanted, mac=mac)
    return attach.setup(
        paths, config.load(paths, network), join, container_id, fd, given, number=number,
        place=number, default=() if number else (32, 128),
    )  # fmt: skip


def create(paths: Paths, name: str, subnet: str) -> None:
    config.create(paths, NetworkRequest(name=name, subnets=(Subnet(subnet),)))


class Container:
    """A namespace connected to a network, its ports held."""

    def __init__(self, paths: Paths, number: int, *specs: str, network: str = "bridge") -> None:
        self.paths = paths
        self.fd = netns.new_netns()
        self.ports = [port for spec in specs for port in ports.parse(spec)]
        self.held, self.ports = ports.reserve(self.ports)
        self.attachment = setup(paths, network, cid(number), self.fd, self.ports)
        self.ip = self.attachment.ip

    def close(self) -> None:
        attach.teardown(self.paths, self.attachment, netns_fd=self.fd)
        for fd in [self.fd, *self.held]:
            os.close(fd)


def ruleset() -> str:
    return netns.sh("nft list ruleset")


def links() -> list[str]:
    return [line.split()[0] for line in netns.sh("ip -br link").splitlines()]


def test_inside_view(paths: Paths) -> None:
    c = Container(paths, 1)
    with netns.inside(c.fd):
        shown = netns.sh("ip -4 addr show dev eth0; ip route; ip link show dev lo")
        assert f"{c.ip}/16 brd" in shown
        assert f"default via {c.attachment.gateway} dev eth0" in shown
        assert "LOOPBACK,UP" in shown
        assert "inet6" not in netns.sh("ip -6 addr show dev eth0")
        assert c.attachment.mac in netns.sh("ip link show dev eth0")
    assert from_json(Attachment, to_json(c.attachment)) == c.attachment
    c.close()


@pytest.mark.parametrize("bridge_netfilter", ["0", "1"])
def test_published_port_from_everywhere(paths: Paths, bridge_netfilter: str) -> None:
    switch = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if switch.exists():
        switch.write_text(bridge_netfilter)
    elif bridge_netfilter == "1":
        pytest.skip("no br_netfilter in this kernel")
    web = Container(paths, 1, "8080:80", "127.0.0.1:8081:80", "5353:53/udp")
    other = Container(paths, 2)
    with netns.echo_server(web.fd, 80), netns.echo_server(web.fd, 53, socket.SOCK_DGRAM):
        gateway = web.attachment.gateway
        assert netns.ask("127.0.0.1", 8080) == gateway
        assert netns.ask("127.0.0.1", 8081) == gateway
        assert netns.ask("127.0.0.1", 5353, socket.SOCK_DGRAM) == gateway
        assert netns.ask(gateway, 8080) == gateway
        assert netns.ask(web.ip, 80) == gateway
        with pytest.raises(OSError):
            netns.ask(gateway, 8081)
        with netns.inside(other.fd):  # through the host's address, and directly
            assert netns.ask(gateway, 8080) == gateway
            assert netns.ask(web.ip, 80) == other.ip
            with pytest.raises(OSError):  # published on the host's 127.0.0.1 alone
                netns.ask(gateway, 8081, timeout_s=0.3)
        with netns.inside(web.fd):  # itself, by the published port
            assert netns.ask(gateway, 8080) == gateway
    web.close()
    with pytest.raises(ConnectionRefusedError):
        netns.ask("127.0.0.1", 8080)
    other.close()


@pytest.fixture
def outside(paths: Paths) -> Iterator[int]:
    """A machine beyond the host: 192.0.2.2, with the host as 192.0.2.1, and no way back."""
    fd = netns.new_netns()
    with netlink.Socket() as sock:
        sock.do(netlink.veth_add("up0", "eth0", fd, 0, b"\x02\0\0\0\0\1"))
    netns.sh("ip addr add 192.0.2.1/24 dev up0")
    with netns.inside(fd):
        netns.sh("ip link set lo up; ip link set eth0 up; ip addr add 192.0.2.2/24 dev eth0")
    yield fd
    os.close(fd)


def test_outside(paths: Paths, outside: int) -> None:
    c = Container(paths, 1, "8080:80", "192.0.2.1:8082:80")
    with netns.echo_server(outside, 7), netns.echo_server(c.fd, 80), netns.echo_server(c.fd, 81):
        with netns.inside(c.fd):
            assert netns.ask("192.0.2.2", 7) == "192.0.2.1", "masqueraded on the way out"
        with netns.inside(outside):
            assert netns.ask("192.0.2.1", 8080) == "192.0.2.2", "the client's address is kept"
            assert netns.ask("192.0.2.1", 8082) == "192.0.2.2"
            netns.sh("ip route add 10.0.0.0/8 via 192.0.2.1")
            with pytest.raises(TimeoutError):  # not published, though routed
                netns.ask(c.ip, 81, timeout_s=0.3)
    c.close()


def test_loopback_of_the_host_is_not_reachable(paths: Paths) -> None:
    c = Container(paths, 1)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    with netns.echo_server(own, 9), netns.inside(c.fd):
        Path("/proc/sys/net/ipv4/conf/eth0/route_localnet").write_text("1")
        netns.sh("ip addr flush dev lo; ip route add 127.0.0.1 via " + c.attachment.gateway)
        netns.sh("ip rule add pref 0 to 127.0.0.1 lookup main; ip route flush cache")
        with pytest.raises(OSError):
            netns.ask("127.0.0.1", 9, timeout_s=0.3)
    os.close(own)
    c.close()


def test_networks_are_apart(paths: Paths) -> None:
    create(paths, "back", "10.201.7.0/24")
    a, b = Container(paths, 1, "8080:80"), Container(paths, 2, network="back")
    assert b.ip == "10.201.7.2"
    with netns.echo_server(a.fd, 80), netns.inside(b.fd):
        with pytest.raises(TimeoutError):
            netns.ask(a.ip, 80, timeout_s=0.3)
        assert netns.ask(b.attachment.gateway, 8080) == b.ip, "published ports are for all"
    b.close()
    attach.driver_of("bridge").remove(config.load(paths, "back"))
    assert config.load(paths, "back").interface not in ruleset()
    attach.driver_of("bridge").remove(config.load(paths, "back"))
    a.close()


def test_an_interface_of_the_last_start_that_vanishes_just_now(paths: Paths) -> None:
    """The kernel deletes it when it gets to that: between our finding it and deleting it, too."""
    create(paths, "net", "10.3.0.0/24")
    network, fd = config.load(paths, "net"), netns.new_netns()
    before = setup(paths, "net", cid(1), fd, [])
    attach.teardown(paths, before)

    class Racing(netlink.Socket):
        def do(self, *messages: netlink.Message) -> None:
            if messages[0][0] == netlink.RTM_DELLINK:
                super().do(*messages)  # that is the kernel's
            super().do(*messages)

    with Racing() as sock:
        index = netlink.link_index(sock, network.interface)
        netns.sh("ip link show " + before.host_interface)
        again = netns.new_netns()
        bridge.port(sock, network, before, again, index)
        with netns.inside(again):
            assert "eth0" in netns.sh("ip link")
    os.close(again)
    os.close(fd)


def test_nothing_is_left(paths: Paths) -> None:
    Container(paths, 0).close()
    rules, before = ruleset(), links()
    for number in range(1, 20):
        Container(paths, number, "8080:80", "127.0.0.1:9000-9003:9000-9003/udp").close()
    assert (ruleset(), links()) == (rules, before)
    assert ipam._read(paths, "bridge")[0] == {}


def test_teardown_twice_and_after_a_flush(paths: Paths) -> None:
    c = Container(paths, 1, "8080:80")
    netns.sh("nft flush ruleset")
    attach.publish(paths, c.attachment)
    with netns.echo_server(c.fd, 80):
        assert netns.ask("127.0.0.1", 8080)
    netns.sh("nft flush ruleset")
    c.close()
    attach.teardown(paths, c.attachment, netns_fd=c.fd)
    d = Container(paths, 2, "8080:80")
    with netns.echo_server(d.fd, 80):
        assert netns.ask("127.0.0.1", 8080)
    d.close()


def test_crashed_container_is_replaced(paths: Paths) -> None:
    gone = Container(paths, 1, "8080:80")
    for fd in gone.held:
        os.close(fd)
    new = Container(paths, 2, "8080:80")
    with netns.echo_server(new.fd, 80):
        assert netns.ask("127.0.0.1", 8080)
        attach.teardown(paths, gone.attachment, netns_fd=gone.fd)  # late: the new one's stays
        assert netns.ask("127.0.0.1", 8080)
    again = setup(paths, "bridge", cid(2), netns.new_netns(), [])
    assert again.ip == new.ip, "a link left by the same container is replaced"
    new.close()


def test_failed_setup_leaves_nothing(paths: Paths) -> None:
    Container(paths, 0).close()
    rules, before = ruleset(), links()
    fd = netns.new_netns()
    with netns.inside(fd):
        netns.sh("ip link add eth0 type veth peer name other")
    with pytest.raises(CrunpyError, match="connecting to network 'bridge'"):
        setup(paths, "bridge", cid(1), fd, [])
    with pytest.raises(CrunpyError):
        setup(paths, "bridge", cid(1), os.open("/dev/null", os.O_RDONLY), [])
    with pytest.raises(InvalidArgument):
        setup(paths, "bridge", cid(1), fd, [], mac="01:00:00:00:00:00")
    assert (ruleset(), links()) == (rules, before)
    assert ipam._read(paths, "bridge")[0] == {}


def test_wanted_address_and_mac(paths: Paths) -> None:
    gateway = config.load(paths).subnets[0].gateway
    wanted = gateway[:-1] + "77"
    fd = netns.new_netns()
    a = setup(paths, "bridge", cid(1), fd, [], wanted, "02:00:00:00:00:77")
    assert (a.ip, a.mac) == (wanted, "02:00:00:00:00:77")
    with pytest.raises(Conflict):
        setup(paths, "bridge", cid(2), fd, [], wanted)
    attach.teardown(paths, a, netns_fd=fd)


def test_second_network_of_a_container(paths: Paths) -> None:
    create(paths, "back", "10.201.7.0/24")
    c = Container(paths, 1)
    second = setup(paths, "back", cid(1), c.fd, [], number=1)
    with netns.inside(c.fd):
        shown = netns.sh("ip route")
        assert "10.201.7.0/24 dev eth1" in shown
        assert shown.count("default") == 1
    attach.teardown(paths, second, netns_fd=c.fd)
    c.close()


def test_stores_side_by_side(paths: Paths, tmp_path: Path) -> None:
    other = netns.store(tmp_path / "other")
    a, b = Container(paths, 1, "8080:80"), Container(other, 2, "8081:80")
    assert a.attachment.table != b.attachment.table
    assert a.ip.split(".")[1] != b.ip.split(".")[1]
    with netns.echo_server(a.fd, 80), netns.echo_server(b.fd, 80):
        assert netns.ask("127.0.0.1", 8080) and netns.ask("127.0.0.1", 8081)
    with pytest.raises(Conflict, match="8080/tcp is already in use"):
        Container(other, 3, "8080:80")
    a.close()
    b.close()


_WORKER = """
import ctypes, os, sys
from crun_py.model.network import Join
from crun_py.net import attach, config
from crun_py.paths import Paths
libc = ctypes.CDLL(None)
own = os.open("/proc/self/ns/net", os.O_RDONLY)
libc.unshare(0x40000000)
fd = os.open("/proc/self/ns/net", os.O_RDONLY)
libc.setns(own, 0)
paths = Paths(sys.argv[1] + "/root", sys.argv[1] + "/run")
print("ready", flush=True)
sys.stdin.read(1)
a = attach.setup(paths, config.load(paths), Join("bridge"), sys.argv[2], fd)
print(a.ip, flush=True)
sys.stdin.read(1)
attach.teardown(paths, a)
"""


def test_fifty_at_once_on_a_fresh_host(paths: Paths, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(tmp_path), cid(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        for n in range(50)
    ]
    assert all(worker.stdout and worker.stdout.readline() == "ready\n" for worker in workers)
    for step in range(2):
        for worker in workers:
            assert worker.stdin
            worker.stdin.write("x")
            worker.stdin.flush()
        if step == 0:
            seen = {worker.stdout.readline() for worker in workers if worker.stdout}
            assert len(seen) == 50 and "" not in seen
    for worker in workers:
        assert worker.wait(20) == 0
    assert ipam._read(paths, "bridge")[0] == {}
    assert ruleset().count("masquerade") == 3, "the table was made once"
    netns.wait_for(lambda: "veth" not in "".join(links()))


def test_runs_without_the_nft_program(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as m:
        m.setenv("PATH", "/nonexistent")
        c = Container(paths, 1, "8080:80")
    assert "tcp . 8080" in ruleset()
    c.close()


def test_old_kernel_says_what_is_missing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(sock: netlink.Socket, messages: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(nft, "commit", refuse)
    with pytest.raises(CrunpyError, match="nftables") as e:
        Container(paths, 1)
    assert "modprobe nf_tables" in e.value.hint
