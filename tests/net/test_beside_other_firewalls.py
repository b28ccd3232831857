"""Published ports and the way out beside the rules of Docker, ufw and firewalld, which stay as
they are.

Each hook of the kernel asks the chains of all tables, and one that drops a packet decides: that
our chain accepts it does not help.  The rules are those that the programs write, in our words:
dockerd 20 and 28 by iptables-nft, ufw 0.36 (incoming and routed denied), firewalld 1.3 (zone
public).  A test's host is a network namespace of its own, with another one beyond it.

Seen of podman 4.3 (netavark 1.4, which writes into the chain FORWARD of iptables) in the same
namespaces: beside Docker's and ufw's rules the host, neighbours and the way out work, but who is
beyond gets no answer of a published port; beside firewalld's the same works as of ours.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import netns
import pytest
from engine import Engine, free_port, skip_if_missing, wait_for

pytestmark = netns.needs_root

HOST, BEYOND = "198.51.100.1", "198.51.100.2"
DOCKERS, DOCKERS_PORT = "172.17.0.2", 7080

BRIDGE_NETFILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")

DOCKER_NAT = f"""
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport {DOCKERS_PORT} -j DNAT --to-destination {DOCKERS}:80
COMMIT
"""

DOCKER_20 = f"""
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d {DOCKERS}/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""

DOCKER_28 = f"""
*raw
-A PREROUTING -d {DOCKERS}/32 ! -i docker0 -j DROP
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d {DOCKERS}/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
COMMIT
"""

UFW = """
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-before-input - [0:0]
:ufw-after-input - [0:0]
:ufw-reject-input - [0:0]
:ufw-before-forward - [0:0]
:ufw-after-forward - [0:0]
:ufw-before-output - [0:0]
:ufw-track-output - [0:0]
:ufw-not-local - [0:0]
:ufw-skip-to-policy-input - [0:0]
:ufw-user-input - [0:0]
:ufw-user-forward - [0:0]
:ufw-user-output - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A INPUT -j ufw-reject-input
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-after-forward
-A OUTPUT -j ufw-before-output
-A OUTPUT -j ufw-track-output
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -j ufw-user-input
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -m addrtype --dst-type BROADCAST -j RETURN
-A ufw-not-local -j DROP
-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT
-A ufw-after-input -p udp -m udp --dport 137 -j ufw-skip-to-policy-input
-A ufw-skip-to-policy-input -j DROP
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-forward -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A ufw-before-forward -j ufw-user-forward
-A ufw-before-output -o lo -j ACCEPT
-A ufw-before-output -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-output -j ufw-user-output
-A ufw-track-output -p tcp -m conntrack --ctstate NEW -j ACCEPT
-A ufw-track-output -p udp -m conntrack --ctstate NEW -j ACCEPT
COMMIT
"""

FIREWALLD = """
table inet firewalld {
    chain nat_PREROUTING { type nat hook prerouting priority dstnat + 10; }
    chain nat_POSTROUTING { type nat hook postrouting priority srcnat + 10; }
    chain filter_INPUT {
        type filter hook input priority filter + 10;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_INPUT_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD {
        type filter hook forward priority filter + 10;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        jump filter_FORWARD_ZONES
        reject with icmpx admin-prohibited
    }
    chain filter_OUTPUT {
        type filter hook output priority filter + 10;
        ct state { established, related } accept
        oifname "lo" accept
    }
    chain filter_INPUT_ZONES { goto filter_IN_public; }
    chain filter_FORWARD_ZONES { goto filter_FWD_public; }
    chain filter_IN_trusted { accept; }
    chain filter_FWD_trusted { accept; }
    chain filter_IN_public {
        jump filter_IN_public_allow
        meta l4proto { icmp, ipv6-icmp } accept
        reject with icmpx admin-prohibited
    }
    chain filter_IN_public_allow { tcp dport 22 accept; }
    chain filter_FWD_public {
        jump filter_FWD_public_allow
        meta l4proto { icmp, ipv6-icmp } accept
        reject with icmpx admin-prohibited
    }
    chain filter_FWD_public_allow { ALLOWED; }
}
"""


def put(program: list[str], rules: str) -> None:
    skip_if_missing(program[0])
    done = subprocess.run(program, input=rules, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def by_iptables(*rules: str) -> Callable[[], None]:
    def write() -> None:
        for one in rules:
            put(["iptables-nft-restore", "--noflush"], one)

    return write


def firewalld(*interfaces: str) -> Callable[[], None]:
    """interfaces: those that NetworkManager or somebody has given to the zone; the zone is the
    others' too, but packets are forwarded to these alone."""
    allowed = "".join(f'oifname "{name}" accept;' for name in interfaces)
    return lambda: put(["nft", "-f", "-"], FIREWALLD.replace("ALLOWED;", allowed))


def trust(subnet: str) -> None:
    """As `firewall-cmd --zone=trusted --add-source=SUBNET`."""
    for hook, chain in (("INPUT", "IN"), ("FORWARD", "FWD")):
        netns.sh(f"nft insert rule inet firewalld filter_{hook}_ZONES ip saddr {subnet} "
                 f"goto filter_{chain}_trusted")  # fmt: skip


FIREWALLS = {
    "none": lambda: None,
    "docker 20": by_iptables(DOCKER_20, DOCKER_NAT),
    "docker 28": by_iptables(DOCKER_28, DOCKER_NAT),
    "ufw": by_iptables(UFW),
    "docker 28 and ufw": by_iptables(DOCKER_28, DOCKER_NAT, UFW),
    "firewalld": firewalld("up0"),
}
"""What writes the rules of each."""


def tables() -> dict[str, str]:
    """What each table of nftables says, without counters."""
    found = json.loads(netns.sh("nft -j list tables"))["nftables"]
    names = [f"{t['table']['family']} {t['table']['name']}" for t in found if "table" in t]
    return {name: netns.sh(f"nft -s list table {name}") for name in names}


class Host:
    """A host with an interface up0 and a machine beyond it; and docker0 with a container."""

    def __init__(self, engine: Engine, stack: ExitStack) -> None:
        self.engine, self._stack = engine, stack
        self.beyond = self._neighbour("up0", BEYOND, HOST)
        netns.sh(f"ip addr add {HOST}/24 dev up0; ip route add default via {BEYOND}")
        netns.sh("ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0")
        self.dockers = self._neighbour("veth1", DOCKERS, "172.17.0.1")
        netns.sh("ip link set veth1 master docker0; ip link set docker0 up")
        netns.sh("sysctl -qw net.ipv4.ip_forward=1")
        self.bridge_netfilter(False)
        self.serve(self.beyond, 7)
        self.serve(self.beyond, 8, socket.SOCK_DGRAM)
        self.serve(self.dockers, 80)

    def _neighbour(self, name: str, address: str, gateway: str) -> int:
        fd = netns.new_netns()
        self._stack.callback(os.close, fd)
        netns.sh(f"ip link add {name} type veth peer name eth0 netns /proc/{os.getpid()}/fd/{fd}")
        netns.sh(f"ip link set {name} up")
        with netns.inside(fd):
            netns.sh(f"ip link set eth0 up; ip addr add {address}/24 dev eth0")
            netns.sh(f"ip route add default via {gateway}")
        return fd

    def serve(self, fd: int, port: int, kind: int = socket.SOCK_STREAM) -> None:
        """In the namespace `fd`: each client is told its address."""
        self._stack.enter_context(netns.echo_server(fd, port, kind))

    def run(self, name: str, *options: str, network: str = "bridge") -> int:
        """Start a container; its network namespace."""
        container = self.engine.detached("--network", network, "--name", name, *options,
                                         "busybox", "sleep", "1000")  # fmt: skip
        fd = os.open(f"/proc/{self.engine.pids(container)[1]}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._stack.callback(os.close, fd)
        return fd

    def bridge_netfilter(self, on: bool) -> None:
        """Whether packets within a bridge are forwarded ones to the firewalls: if so by Docker's
        or Kubernetes' doing, else the module is not loaded."""
        if BRIDGE_NETFILTER.exists():
            BRIDGE_NETFILTER.write_text(str(int(on)))

    def subnet(self) -> str:
        network = json.loads(self.engine.ok("network", "inspect", "bridge"))[0]
        return str(network["IPAM"]["Config"][0]["Subnet"])

    def address(self, name: str) -> str:
        return str(self.engine.inspect(name)["NetworkSettings"]["IPAddress"])


@pytest.fixture
def host(root: Engine) -> Iterator[Host]:
    with netns.private_network(), ExitStack() as stack:
        yield Host(root, stack)
        root.ok("rm", "-f", "-a", "-t", "0")


UDP = socket.SOCK_DGRAM


def answer(address: str, port: int, kind: int = socket.SOCK_STREAM, fd: int = -1) -> str:
    """What is answered in the namespace `fd` (-1: on the host), or what became of it."""
    with netns.inside(fd) if fd >= 0 else ExitStack():
        try:
            return netns.ask(address, port, kind, timeout_s=0.5)
        except OSError as e:
            return type(e).__name__ if e.errno is None else os.strerror(e.errno)


def published(host: Host) -> tuple[dict[str, str], dict[str, str]]:
    """What is answered on a container's ports by each way, and what should be."""
    port, datagrams, local = free_port(), free_port(), free_port()
    web = host.run("web", "-p", f"{port}:80", "-p", f"{datagrams}:53/udp", "-p",
                   f"127.0.0.1:{local}:80")  # fmt: skip
    other = host.run("other")
    host.serve(web, 80)
    host.serve(web, 53, UDP)
    gateway = host.engine.inspect("web")["NetworkSettings"]["Gateway"]
    found = {
        "beyond": answer(HOST, port, fd=host.beyond),
        "beyond, UDP": answer(HOST, datagrams, UDP, host.beyond),
        "host, 127.0.0.1": answer("127.0.0.1", port),
        "host, 127.0.0.1 alone": answer("127.0.0.1", local),
        "host, its address": answer(HOST, port),
        "host, UDP": answer("127.0.0.1", datagrams, UDP),
        "host, the container's address": answer(host.address("web"), 80),
        "neighbour": answer(host.address("web"), 80, fd=other),
        "neighbour, the host's address": answer(HOST, port, fd=other),
        "itself, the host's address": answer(HOST, port, fd=web),
    }
    wanted = dict.fromkeys(found, gateway)
    wanted |= {"beyond": BEYOND, "beyond, UDP": BEYOND, "neighbour": host.address("other")}
    wanted["host, its address"] = found["host, its address"]  # HOST or the gateway
    assert found["host, its address"] in (HOST, gateway)
    return found, wanted


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_published_ports_answer(host: Host, firewall: str) -> None:
    FIREWALLS[firewall]()
    found, wanted = published(host)
    assert found == wanted


@pytest.mark.parametrize("firewall", FIREWALLS)
def test_containers_reach_what_is_beyond(host: Host, firewall: str) -> None:
    """With the host's address: by NAT."""
    FIREWALLS[firewall]()
    a = host.run("a")
    found = {"TCP": answer(BEYOND, 7, fd=a), "UDP": answer(BEYOND, 8, UDP, a)}
    found["ping"] = str(host.engine.run("exec", "a", "ping", "-c1", "-W1", BEYOND).code)
    assert found == {"TCP": HOST, "UDP": HOST, "ping": "0"}


FIREWALLS_6 = {
    "docker 28": DOCKER_28.partition("*filter")[2].replace(f"-d {DOCKERS}/32", "-d fd00:17::2/128"),
    "ufw": """
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:ufw6-before-input - [0:0]
:ufw6-before-forward - [0:0]
-A INPUT -j ufw6-before-input
-A FORWARD -j ufw6-before-forward
-A ufw6-before-input -i lo -j ACCEPT
-A ufw6-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw6-before-input -p ipv6-icmp -j ACCEPT
-A ufw6-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw6-before-forward -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT
COMMIT
""",
}


def connects(fd: int, address: str, port: int) -> bool:
    with netns.inside(fd), socket.socket(socket.AF_INET6) as client:
        client.settimeout(0.5)
        return client.connect_ex((address, port)) == 0


def listen() -> socket.socket:
    return socket.create_server(("::", 80), family=socket.AF_INET6)


@pytest.fixture
def host6(host: Host) -> Iterator[Host]:
    """One that has IPv6, and a network `six`."""
    netns.sh("ip -6 addr add fd00:51::1/64 dev up0 nodad")
    with netns.inside(host.beyond):
        netns.sh("ip -6 addr add fd00:51::2/64 dev eth0 nodad")
    host.engine.ok("network", "create", "--ipv6", "six")
    yield host
    host.engine.ok("rm", "-f", "-a", "-t0")
    host.engine.ok("network", "rm", "six")


@pytest.mark.parametrize("firewall", FIREWALLS_6)
def test_ports_and_the_way_out_of_ipv6(host6: Host, firewall: str) -> None:
    port = free_port()
    host6.run("first", network="six")
    put(["ip6tables-nft-restore", "--noflush"], "*filter" + FIREWALLS_6[firewall])
    wait_for(lambda: "tentative" not in netns.sh("ip -6 addr show type bridge"))
    web = host6.run("web", "-p", f"{port}:80", network="six")
    with netns.in_thread(web, listen), netns.in_thread(host6.beyond, listen):
        assert (connects(host6.beyond, "fd00:51::1", port), connects(web, "fd00:51::2", 80)) == (
            True, True)  # fmt: skip


def test_the_first_container_of_ipv6_answers_at_once(host6: Host) -> None:
    """Though its bridge is new: the kernel asks neighbours by the bridge's link-local address."""
    port = free_port()
    web = host6.run("web", "-p", f"{port}:80", network="six")
    with netns.in_thread(web, listen):
        assert connects(host6.beyond, "fd00:51::1", port)


@pytest.mark.skipif(not BRIDGE_NETFILTER.exists(), reason="no br_netfilter in this kernel")
@pytest.mark.parametrize("firewall", FIREWALLS)
def test_neighbours_where_bridges_are_filtered(host: Host, firewall: str) -> None:
    FIREWALLS[firewall]()
    host.bridge_netfilter(True)
    a, b = host.run("a"), host.run("b")
    host.serve(a, 80)
    if firewall == "firewalld":  # only firewalld itself can allow it
        assert answer(host.address("a"), 80, fd=b) == "No route to host"
        trust(host.subnet())
    assert answer(host.address("a"), 80, fd=b) == host.address("b")


def test_firewalld_forwards_when_it_is_told(host: Host) -> None:
    """Where no interface was given to a zone: published ports answer, what goes out is refused."""
    firewalld()()
    port = free_port()
    web = host.run("web", "-p", f"{port}:80")
    host.serve(web, 80)
    assert answer(HOST, port, fd=host.beyond) == BEYOND
    assert answer(BEYOND, 7, fd=web) == "No route to host"
    trust(host.subnet())
    assert answer(HOST, port, fd=host.beyond) == BEYOND
    assert answer(BEYOND, 7, fd=web) == HOST


@pytest.mark.parametrize("firewall", ["docker 28", "ufw"])
def test_a_firewall_that_comes_later(host: Host, firewall: str) -> None:
    """`network reload` does what is needed."""
    port = free_port()
    web = host.run("web", "-p", f"{port}:80")
    host.serve(web, 80)
    assert answer(HOST, port, fd=host.beyond) == BEYOND
    FIREWALLS[firewall]()
    host.engine.ok("network", "reload", "--all")
    assert answer(HOST, port, fd=host.beyond) == BEYOND
    assert answer(BEYOND, 7, fd=web) == HOST


def are_within(theirs: str, now: str, ours: list[str]) -> bool:
    """Whether all lines of theirs are still there, in their order; more may be there if they name
    something of ours."""
    left = theirs.splitlines()
    for line in now.splitlines():
        if left and line == left[0]:
            left.pop(0)
        elif not any(name in line for name in ours):
            return False
    return not left


@pytest.mark.parametrize("firewall", [name for name in FIREWALLS if name != "none"])
def test_nothing_of_theirs_is_changed(host: Host, firewall: str) -> None:
    """Neither their rules nor what they do."""
    FIREWALLS[firewall]()

    def seen() -> tuple[str, str]:
        return answer(HOST, DOCKERS_PORT, fd=host.beyond), answer(BEYOND, 7, fd=host.dockers)

    if "docker" in firewall:
        assert seen() == (BEYOND, HOST)
    before = tables()
    host.engine.ok("network", "create", "back")
    host.run("web", "-p", f"{free_port()}:80")
    host.engine.ok("network", "connect", "back", "web")
    networks = [json.loads((host.engine.root / f"networks/{name}.json").read_text())
                for name in ("bridge", "back")]  # fmt: skip
    ours = [networks[0]["table"], *(network["interface"] for network in networks)]
    now = tables()
    assert {name.split()[1] for name in now.keys() - before.keys()} == {ours[0]}
    for name, rules in before.items():
        assert are_within(rules, now[name], ours), now[name]
    host.engine.ok("rm", "-f", "-t0", "web")
    host.engine.ok("network", "rm", "back")
    now = tables()
    for name, rules in before.items():
        assert are_within(rules, now[name], ours), now[name]
    if "docker" in firewall:
        assert seen() == (BEYOND, HOST)
