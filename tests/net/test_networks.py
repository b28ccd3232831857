"""Networks by the command line, as root and as a plain user: who reaches whom, by which name."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator

import pytest
from engine import Engine, free_port, wait_for

SLEEP = ("busybox", "sleep", "1000")
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
A, B, C = f"10.{30 + WORKER}.0", f"10.{40 + WORKER}.1", f"10.{50 + WORKER}.7"
"""Beginnings of subnets that the other workers' stores, which share the host, do not have."""
UPLINK = "192.0.2.2"
"""The host's address (tools/in-test-namespace)."""
SIX = f"fd00:{77 + WORKER}:"


@pytest.fixture
def networks(engine: Engine) -> Iterator[Engine]:
    """An engine whose networks are removed after the test."""
    yield engine
    engine.run("rm", "-f", "-a", "-t", "0")
    engine.ok("network", "prune", "-f")
    assert engine.ok("network", "ls", "-q", "--filter", "type=custom") == ""


def address(engine: Engine, container: str, network: str, field: str = "IPAddress") -> str:
    return str(engine.inspect(container)["NetworkSettings"]["Networks"][network][field])


def reaches(engine: Engine, container: str, name: str, *options: str) -> bool:
    return engine.run("exec", container, "ping", *options, "-c1", "-W1", name).code == 0


def server(text: str) -> tuple[str, ...]:
    return ("busybox", "sh", "-c", f"while :; do echo {text} | nc -l -p 80; done")


def read(port: int, host: str = "127.0.0.1") -> str:
    try:
        with socket.create_connection((host, port), timeout=2) as s:
            return s.makefile().readline().strip()
    except OSError:
        return ""


def test_names_and_aliases(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "back")
    web = engine.detached("--network", "back", "--name", "web", "--network-alias", "www", *SLEEP)
    engine.detached("--network", "back", "--name", "db", "--network-alias", "www", *SLEEP)
    for name in ("web", "WEB", "www", web[:12], "web.back"):
        assert reaches(engine, "db", name), name
    for name in ("nosuch", "web.other", "b"):
        assert not reaches(engine, "db", name), name
    seen = {engine.ok("exec", "db", "nslookup", "www").split()[-1] for _ in range(8)}
    assert seen == {address(engine, "web", "back"), address(engine, "db", "back")}
    conf = engine.ok("exec", "db", "cat", "/etc/resolv.conf")
    assert "nameserver 127.0.0.11" in conf and "ndots:0" in conf
    engine.ok("rename", "web", "web2")
    assert reaches(engine, "db", "web2") and not reaches(engine, "db", "web")
    engine.ok("rm", "-f", "-t0", "web2")
    assert not reaches(engine, "db", "web2")


def test_networks_do_not_reach_each_other(networks: Engine) -> None:
    engine = networks
    for name in ("one", "two"):
        engine.ok("network", "create", name)
        engine.detached("--network", name, "--name", f"in-{name}", *SLEEP)
    engine.detached("--network", "one", "--network", "two", "--name", "both", *SLEEP)
    assert not reaches(engine, "in-one", "in-two")
    assert not reaches(engine, "in-one", address(engine, "in-two", "two"))
    assert reaches(engine, "both", "in-one") and reaches(engine, "both", "in-two")
    assert reaches(engine, "in-one", "both")
    routes = engine.ok("exec", "both", "ip", "route")
    assert routes.count("default") == 1 and "default via" in routes and "eth0" in routes


def test_internal(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "--internal", "in")
    for name in ("a", "b"):
        engine.detached("--network", "in", "--name", name, *SLEEP)
    assert reaches(engine, "a", "b")
    assert "default" not in engine.ok("exec", "a", "ip", "route")
    engine.ok("exec", "a", "sh", "-c", "true")
    assert not reaches(engine, "a", "192.0.2.2")
    found = json.loads(engine.ok("network", "inspect", "in"))[0]
    assert found["Internal"] is True
    assert {c["Name"] for c in found["Containers"].values()} == {"a", "b"}


def test_ipv6(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "--subnet", f"{SIX}:/64", "--subnet", f"{B}.0/24", "six")
    engine.detached("--network", "six", "--ip6", f"{SIX}:99", "--ip", f"{B}.9", "--name", "a",
                    *SLEEP)  # fmt: skip
    engine.detached("--network", "six", "--name", "b", *SLEEP)
    assert address(engine, "a", "six", "GlobalIPv6Address") == f"{SIX}:99"
    assert address(engine, "a", "six") == f"{B}.9"
    assert reaches(engine, "b", "a", "-6") and reaches(engine, "b", "a", "-4")
    assert reaches(engine, "b", f"{SIX}:99")
    out = engine.ok("exec", "b", "ip", "-6", "addr", "show", "eth0")
    assert f"{SIX}:2/64" in out or re.search(f"{SIX}:[0-9a-f]+/64", out)
    assert engine.ok("exec", "b", "cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra") == "0"
    found = engine.inspect("a")["NetworkSettings"]["Networks"]["six"]
    assert found["IPAMConfig"] == {"IPv4Address": f"{B}.9", "IPv6Address": f"{SIX}:99"}
    assert found["IPv6Gateway"] == f"{SIX}:1" and found["GlobalIPv6PrefixLen"] == 64


def test_ports_of_ipv6(root: Engine) -> None:
    """An address of the host other than ::1, which the kernel does not forward."""
    subprocess.run(["ip", "-6", "addr", "add", "fd00:88::1/64", "dev", "uplink", "nodad"])
    port = free_port()
    root.ok("network", "create", "--ipv6", "six")
    listens = ("busybox", "sh", "-c", "while :; do echo six | nc -l -p 80; done")
    root.detached("--network", "six", "--name", "a", "-p", f"{port}:80", *listens)
    assert wait_for(lambda: read(port, "fd00:88::1")) == "six"
    assert wait_for(lambda: read(port)) == "six"
    root.ok("rm", "-f", "-t0", "a")
    assert not read(port, "fd00:88::1")
    root.detached("--network", "six", "--name", "a", "-p", f"[fd00:88::1]:{port}:80", *listens)
    assert wait_for(lambda: read(port, "fd00:88::1")) == "six"
    assert not read(port)
    root.ok("rm", "-f", "-t0", "a")
    root.ok("network", "rm", "six")


def test_published_ports(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "back")
    first, second = free_port(), free_port()
    engine.detached("--network", "back", "--name", "a", "-p", f"{first}:80", *server("a"))
    engine.detached("--network", "back", "--name", "b", "-p", f"127.0.0.1:{second}:80",
                    *server("b"))  # fmt: skip
    assert wait_for(lambda: read(first)) == "a" and wait_for(lambda: read(second)) == "b"
    assert wait_for(lambda: read(first, "192.0.2.2")) == "a" and not read(second, "192.0.2.2")
    message = engine.fails("run", "--rm", "-p", f"{first}:80", "busybox", "true")
    assert f"{first}/tcp is already in use by container a" in message
    engine.ok("rm", "-f", "-t0", "a")
    assert not read(first) and wait_for(lambda: read(second)) == "b"
    engine.detached("--network", "back", "--name", "c", "-p", f"{first}:80", *server("c"))
    assert wait_for(lambda: read(first)) == "c"


def test_connect_one_that_was_started_without(root: Engine) -> None:
    """A plain user's is told to stop it: such a one is not among his networks."""
    engine = root
    for name in ("one", "two"):
        engine.ok("network", "create", name)
    engine.ok("create", "--network", "one", "--name", "a", "busybox", *SLEEP[1:])
    engine.ok("network", "disconnect", "one", "a")
    engine.ok("start", "a")
    engine.ok("network", "connect", "two", "a")
    engine.detached("--network", "two", "--name", "b", *SLEEP)
    assert reaches(engine, "b", "a")
    engine.ok("network", "disconnect", "two", "a")
    engine.ok("network", "connect", "one", "a")
    assert not reaches(engine, "b", "a")
    engine.ok("rm", "-f", "-t", "0", "a", "b")
    engine.ok("network", "rm", "one", "two")


def test_connect_and_disconnect(networks: Engine) -> None:
    engine = networks
    for name in ("one", "two"):
        engine.ok("network", "create", name)
    engine.detached("--network", "one", "--name", "a", *SLEEP)
    engine.detached("--network", "two", "--name", "b", *SLEEP)
    assert not reaches(engine, "b", "a")
    engine.ok("network", "connect", "--alias", "friend", "two", "a")
    assert (
        reaches(engine, "b", "a") and reaches(engine, "b", "friend") and reaches(engine, "a", "b")
    )
    assert "eth1" in engine.ok("exec", "a", "ip", "addr")
    assert address(engine, "a", "two") in engine.ok("exec", "a", "cat", "/etc/hosts")
    assert "already" in engine.fails("network", "connect", "two", "a")
    assert sorted(engine.inspect("a")["NetworkSettings"]["Networks"]) == ["one", "two"]
    engine.ok("restart", "-t0", "a")
    assert reaches(engine, "b", "friend")
    engine.ok("network", "disconnect", "two", "a")
    assert not reaches(engine, "b", "a") and "eth1" not in engine.ok("exec", "a", "ip", "addr")
    assert "not connected" in engine.fails("network", "disconnect", "two", "a")
    engine.ok("network", "disconnect", "-f", "two", "a")
    engine.ok("stop", "-t0", "a")
    engine.ok("network", "connect", "two", "a")
    engine.ok("start", "a")
    assert reaches(engine, "b", "a")


def test_ports_of_a_running_container(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "back")
    first, second, third = free_port(), free_port(), free_port()
    engine.detached("--network", "back", "--name", "a", "-p", f"{first}:80", *server("a"))
    engine.ok("port", "add", "a", f"{second}:80", f"127.0.0.1:{third}:80")
    for port in (first, second, third):
        assert wait_for(lambda port=port: read(port)) == "a"
    assert f"80/tcp -> 127.0.0.1:{third}" in engine.ok("port", "a")
    with socket.socket() as other, pytest.raises(OSError):
        other.bind(("0.0.0.0", second))
    message = engine.fails("port", "add", "a", f"{second}:81")
    assert f"{second}/tcp is already in use" in message
    engine.ok("update", "--publish-rm", f"{second}:80", "a")
    assert not read(second) and wait_for(lambda: read(first)) == "a"
    assert "not published" in engine.fails("port", "rm", "a", f"{second}:80")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("0.0.0.0", second))
    engine.ok("restart", "-t0", "a")
    assert wait_for(lambda: read(third)) == "a" and not read(second)
    engine.ok("port", "rm", "a", "80")
    assert engine.ok("port", "a") == "" and not read(first) and not read(third)


def test_names_for_who_comes_from_the_default_network(root: Engine) -> None:
    root.ok("network", "create", "back")
    root.ok("run", "-d", "--name", "a", *SLEEP)
    root.detached("--network", "back", "--name", "b", *SLEEP)
    assert not reaches(root, "a", "b")
    root.ok("network", "connect", "back", "a")
    assert reaches(root, "a", "b") and reaches(root, "b", "a")
    assert "nameserver 127.0.0.11" in root.ok("exec", "a", "cat", "/etc/resolv.conf")
    root.ok("network", "create", "more")
    root.ok("network", "connect", "more", "a")
    root.ok("network", "disconnect", "back", "a")
    assert not reaches(root, "a", "b")
    root.ok("rm", "-f", "-t0", "a", "b")
    root.ok("network", "rm", "back", "more")


def test_a_namespace_by_its_path(root: Engine) -> None:
    subprocess.run(["ip", "netns", "add", "cpmade"], check=True)
    try:
        where = "ns:/run/netns/cpmade"
        links = root.ok("run", "--rm", "--network", where, "busybox", "ls", "/sys/class/net")
        assert links == "lo"
        inode = root.ok(
            "run", "--rm", "--network", where, "busybox", "readlink", "/proc/self/ns/net"
        )
        assert inode == f"net:[{os.stat('/run/netns/cpmade').st_ino}]"
        for bad, cause in (("ns:/etc/passwd", "is none"), ("ns:/nosuch", "no such file"),
                           ("ns:x", "ns:/PATH")):  # fmt: skip
            assert cause in root.fails("run", "--rm", "--network", bad, "busybox", "true"), bad
        assert "pasta" in root.fails("create", "--network", "pasta", "busybox")
    finally:
        subprocess.run(["ip", "netns", "del", "cpmade"], check=True)


@pytest.mark.parametrize("program", ["pasta", "slirp4netns"])
def test_the_program_of_a_users_network(user: Engine, program: str) -> None:
    user.ok("run", "-d", "--name", "a", "--network", program, *SLEEP)
    state = json.loads((user.run_root / "containers" / user.inspect("a")["Id"] /
                        "network.json").read_text())  # fmt: skip
    assert state["attachments"][0]["helper"] == program


def test_links_of_a_network(networks: Engine) -> None:
    """network connect --link: one container calls another one so; both end with the connection."""
    engine = networks
    for name in ("back", "front"):
        engine.ok("network", "create", name)
    engine.ok("run", "-d", "--network", "back", "--name", "db", *SLEEP)
    engine.ok("run", "-d", "--network", "front", "--name", "web", *SLEEP)
    told = engine.fails("network", "connect", "--link", "nobody:x", "back", "web")
    assert "nobody" in told
    engine.ok("run", "-d", "--network", "front", "--name", "third", *SLEEP)
    assert "not on" in engine.fails("network", "connect", "--link", "third", "back", "web")
    assert engine.inspect("web")["NetworkSettings"]["Networks"].keys() == {"front"}
    engine.ok("network", "connect", "--link", "db:store", "back", "web")
    assert reaches(engine, "web", "store") and not reaches(engine, "third", "store")
    on = engine.inspect("web")["NetworkSettings"]["Networks"]
    assert on["back"]["Links"] == ["db:store"] and on["front"]["Links"] is None
    engine.ok("restart", "-t0", "web")
    assert reaches(engine, "web", "store")
    engine.ok("network", "connect", "--link", "web:self", "front", "db")
    engine.ok("rm", "-f", "-t0", "db")
    assert engine.inspect("web")["NetworkSettings"]["Networks"]["back"]["Links"] is None
    engine.ok("network", "disconnect", "back", "web")
    assert not reaches(engine, "web", "store")


def test_what_is_in_use_is_kept(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "--label", "k=v", "back")
    engine.ok("create", "--network", "back", "--name", "a", *SLEEP)
    assert "container a" in engine.fails("network", "rm", "back", code=1)
    engine.ok("network", "prune", "-f")
    assert engine.ok("network", "ls", "-q", "--filter", "label=k=v")
    assert engine.ok("ps", "-aq", "--filter", "network=back")
    engine.ok("network", "rm", "-f", "back")
    assert not engine.ok("ps", "-aq") and not engine.ok("network", "ls", "-q", "-f", "name=back")


REFUSED = {
    "taken": (("network", "create", "back"), "exists"),
    "overlap": (("network", "create", "--subnet", f"{A}.128/25", "x"), "overlaps"),
    "host bits": (("network", "create", "--subnet", "10.5.0.1/24", "x"), "host bits"),
    "small": (("network", "create", "--subnet", "10.5.0.0/31", "x"), "no room"),
    "gateway elsewhere": (
        ("network", "create", "--subnet", "10.5.0.0/24", "--gateway", "10.6.0.1", "x"),
        "no --subnet"),
    "range elsewhere": (
        ("network", "create", "--subnet", "10.5.0.0/24", "--ip-range", "10.6.0.0/25", "x"),
        "no --subnet"),
    "driver": (("network", "create", "-d", "overlay", "x"), "known: bridge"),
    "option of another": (("network", "create", "-o", "mode=private", "x"), "no modes"),
    "unknown option": (("network", "create", "-o", "nosuch=1", "x"), "nosuch"),
    "name": (("network", "create", "a/b"), "not valid"),
    "reserved": (("network", "create", "host"), "meaning"),
    "mtu": (("network", "create", "-o", "mtu=9", "x"), "mtu"),
    "interface": (("network", "create", "--interface-name", "a/b", "x"), "not valid"),
    "no network": (("create", "--network", "nosuch", "busybox"), "no network 'nosuch'"),
    "address outside": (
        ("create", "--network", "back", "--ip", "10.1.1.1", "busybox"), f"{A}.0/24"),
    "no IPv6": (("create", "--network", "back", "--ip6", "fd00::1", "busybox"), "cannot be used"),
    "twice": (("create", "--network", "back", "--network", "back", "busybox"), "twice"),
    "with host": (("create", "--network", "back", "--network", "host", "busybox"), "host"),
    "bad key": (("create", "--network", "back:nosuch=1", "busybox"), "nosuch"),
    "bad mac": (("create", "--network", "back:mac=1", "busybox"), "hardware address"),
    "alias with a space": (("create", "--network", "back:alias=a b", "busybox"), "not a host name"),
    "alias of two lines": (
        ("create", "--network", f"back:alias=a\n{'0' * 64} back {A}.9 web", "busybox"),
        "not a host name"),
    "default removed": (("network", "rm", "bridge"), "default"),
    "missing": (("network", "inspect", "nosuch"), "no network 'nosuch'"),
}  # fmt: skip


def test_refusals_change_nothing(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "--subnet", f"{A}.0/24", "back")
    engine.ok("network", "inspect", "bridge")
    before = engine.ok("network", "ls", "--no-trunc")
    for case, (words, cause) in REFUSED.items():
        done = engine.run(*words)
        lines = done.err.splitlines()
        assert done.code in (1, 125) and len(lines) == 1, (case, done)
        assert cause in lines[0], (case, lines)
    assert engine.ok("network", "ls", "--no-trunc") == before and not engine.ok("ps", "-aq")


def test_address_that_is_taken(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "--subnet", f"{A}.0/24", "--ip-range", f"{A}.128/25", "n")
    engine.detached("--network", f"n:ip={A}.200", "--name", "a", *SLEEP)
    message = engine.fails("run", "--rm", "--network", "n", "--ip", f"{A}.200", "busybox", "true")
    assert f"{A}.200" in message and "in use" in message
    engine.detached(
        "--network", "n:interface_name=net7,mac=02:00:00:00:00:77", "--name", "b", *SLEEP
    )
    assert re.fullmatch(
        re.escape(A) + r"\.(12[89]|1[3-9]\d|2[0-4]\d|25[0-4])", address(engine, "b", "n")
    )
    shown = engine.ok("exec", "b", "ip", "addr", "show", "net7")
    assert "02:00:00:00:00:77" in shown and f"{A}." in shown


def test_listing_and_inspect(networks: Engine) -> None:
    engine = networks
    long_id = engine.ok("network", "create", "--label", "a=b", "-o", "mtu=1400", "back")
    assert re.fullmatch("[0-9a-f]{64}", long_id)
    rows = engine.ok("network", "ls").splitlines()
    assert rows[0].split("   ")[0] == "NETWORK ID" and rows[1].split()[1:] == [
        "back",
        "bridge",
        "local",
    ]
    assert engine.ok("network", "ls", "-q", "-f", "name=back") == long_id[:12]
    found = json.loads(engine.ok("network", "inspect", long_id[:9]))[0]
    assert (found["Name"], found["Labels"], found["Options"]) == (
        "back",
        {"a": "b"},
        {"mtu": "1400"},
    )
    assert found["IPAM"]["Config"][0]["Subnet"].endswith("/24")
    assert engine.ok("inspect", "--type", "network", "-f", "{{.Driver}}", "back") == "bridge"
    assert engine.ok("inspect", "-f", "{{.Name}}", "back") == "back"
    mtu = "cat /sys/class/net/eth0/mtu"
    assert engine.ok("run", "--rm", "--network", "back", "busybox", "sh", "-c", mtu) == "1400"
    assert engine.run("network", "exists", "back").code == 0
    assert engine.run("network", "exists", "nosuch").code == 1
    events = engine.ok("events", "--since", "1m", "--until", "0s", "--filter", "type=network",
                       "--format", "{{.Action}}")  # fmt: skip
    assert "create" in events.split()


def test_links_on_a_network(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "back")
    engine.detached("--network", "back", "--name", "db", "--expose", "5432", *SLEEP)
    words = ("run", "--rm", "--network", "back", "--link", "db:database", "busybox", "sh", "-c")
    ip = address(engine, "db", "back")
    found = engine.ok(*words, "grep database /etc/hosts; echo $DATABASE_PORT_5432_TCP_ADDR")
    assert found.startswith(ip + "\tdatabase ") and found.endswith("\n" + ip)


def test_macvlan_and_ipvlan(root: Engine) -> None:
    made = "ip link add par0 type veth peer name par1; ip link set par0 up; ip link set par1 up"
    subprocess.run(made, shell=True, check=True)
    try:
        for driver in ("macvlan", "ipvlan"):
            root.ok("network", "create", "-d", driver, "-o", "parent=par0", "--subnet",
                    "10.44.0.0/24", driver)  # fmt: skip
            done = root.run("run", "--rm", "--network", driver, "busybox", "true")
            if done.code:  # a kernel without it
                assert f"modprobe {driver}" in done.err
                root.ok("network", "rm", driver)
                continue
            for name in ("a", "b"):
                root.detached("--network", driver, "--name", name, *SLEEP)
            assert reaches(root, "a", "b"), driver
            assert "default via 10.44.0.1 dev eth0" in root.ok("exec", "a", "ip", "route")
            root.ok("rm", "-f", "-t0", "a", "b")
            root.ok("network", "rm", driver)
        root.ok("network", "create", "-d", "macvlan", "-o", "parent=nosuch0", "--subnet",
                "10.44.0.0/24", "m")  # fmt: skip
        assert "nosuch0" in root.fails("run", "--rm", "--network", "m", "busybox", "true")
        root.ok("network", "rm", "m")
    finally:
        subprocess.run(["ip", "link", "del", "par0"], check=True)


def test_nothing_is_left_of_many(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "back")
    engine.detached("--network", "back", "--name", "keeper", *SLEEP)
    for _ in range(5):
        engine.ok("run", "--rm", "--network", "back", "-P", "--expose", "80", "busybox", "true")
    names = engine.run_root / "networks/dns/names"
    assert len(names.read_text().splitlines()) == 1
    addresses = json.loads((engine.run_root / "networks/back.json").read_text())["addresses"]
    assert len(addresses) == 1
    engine.ok("rm", "-f", "-t0", "keeper")
    assert not names.exists() and engine.left() == []


def test_cycles_leave_nothing(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "base")
    engine.detached("--network", "base", "--name", "a", *SLEEP)
    places = [engine.run_root / "networks", engine.root / "networks"]

    def seen() -> tuple[set[str], str, int]:
        files = {str(p) for place in places for p in place.rglob("*") if p.name[0] != "."}
        fds = len(os.listdir(f"/proc/{engine.pids(engine.inspect('a')['Id'])[0]}/fd"))
        return files, engine.ok("exec", "a", "ip", "link"), fds

    def cycle() -> None:
        engine.ok("network", "create", "n")
        engine.ok("network", "connect", "n", "a")
        engine.ok("port", "add", "a", port := f"{free_port()}:80")
        engine.ok("port", "rm", "a", port)
        engine.ok("network", "disconnect", "n", "a")
        engine.ok("network", "rm", "n")

    cycle()  # the monitor's epoll(7) stays
    before = seen()
    for _ in range(7):
        cycle()
    assert seen() == before


def test_users_of_a_hub_that_was_killed(user: Engine) -> None:
    """Whatever became of monitors and slirp4netns, the next container has a network."""
    user.ok("network", "create", "back")
    for name in ("a", "b"):
        user.detached("--network", "back", "--name", name, *SLEEP)
    for name in ("a", "b"):
        monitor, first = user.pids(user.inspect(name)["Id"])
        for pid in (monitor, first):
            subprocess.run(["kill", "-9", str(pid)])
    user.detached("--network", "back", "--name", "c", *SLEEP)
    user.detached("--network", "back", "--name", "d", *SLEEP)
    assert reaches(user, "c", "d")
    user.ok("rm", "-f", "-a", "-t0")
    user.ok("network", "rm", "back")


def test_a_hub_whose_slirp4netns_was_killed(user: Engine) -> None:
    """Published ports of tcp do not mind; the way out is there again after `network reload` or when
    the next container comes."""
    user.ok("network", "create", "back")
    port = free_port()
    user.detached("--network", "back", "--name", "a", "-p", f"{port}:80", "busybox", "httpd", "-f",
                  "-h", "/etc")  # fmt: skip

    def answers() -> bool:
        try:
            return (
                urllib.request.urlopen(f"http://127.0.0.1:{port}/hostname", timeout=2).status == 200
            )
        except OSError:
            return False

    def goes_out() -> bool:
        ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w2 {UPLINK} {outside.server_port}"
        return "200" in user.run("exec", "a", "sh", "-c", ask).out

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    with http.server.HTTPServer(("0.0.0.0", 0), Page) as outside:
        threading.Thread(target=outside.serve_forever, daemon=True).start()
        assert wait_for(answers) and wait_for(goes_out)
        noted = user.run_root / "networks/hub.json"
        another = ("run", "--rm", "--network", "back", "busybox", "true")
        for again in (("network", "reload", "a"), another):
            subprocess.run(["kill", "-9", str(json.loads(noted.read_text())["pid"])], check=True)
            assert wait_for(lambda: not goes_out())
            assert answers()
            user.ok(*again)
            assert wait_for(goes_out), again
        outside.shutdown()
    user.ok("rm", "-f", "-a", "-t0")
    user.ok("network", "rm", "back")


def test_the_hubs_slirp4netns_ends_with_the_last_connection(user: Engine) -> None:
    """Also where the container goes on without; it is there again for the next one."""
    noted = user.run_root / "networks/hub.json"

    def pid() -> int:
        return int(json.loads(noted.read_text())["pid"])

    user.ok("network", "create", "back")
    port = free_port()
    user.detached("--network", "back", "--name", "a", *server("a"))
    first = pid()
    user.ok("network", "disconnect", "back", "a")
    assert wait_for(lambda: not os.path.exists(f"/proc/{first}")) and not noted.exists()
    user.ok("network", "connect", "back", "a")
    assert os.path.exists(f"/proc/{pid()}")
    user.ok("port", "add", "a", f"{port}:80")
    assert wait_for(lambda: read(port)) == "a"
    last = pid()
    user.ok("network", "disconnect", "back", "a")
    user.ok("rm", "-f", "-t0", "a")
    user.ok("network", "rm", "back")
    assert wait_for(lambda: not os.path.exists(f"/proc/{last}"))


def test_first_users_at_once(user: Engine) -> None:
    """They agree on one hub."""
    user.ok("network", "create", "back")
    started = [
        user.popen("run", "-d", "--network", "back", "--name", f"c{n}", *SLEEP) for n in range(6)
    ]
    for process in started:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    for n in range(1, 6):
        assert reaches(user, "c0", f"c{n}")
    user.ok("rm", "-f", "-a", "-t0")
    user.ok("network", "rm", "back")


# ---- name servers in containers ----


@pytest.mark.parametrize("said", [("--expose", "53/udp"), ("-p", "127.0.0.1::53")])
def test_a_container_that_is_a_name_server(networks: Engine, said: tuple[str, str]) -> None:
    """It has port 53 of all its addresses, as a Pi-hole or CoreDNS wants it, and names as ever."""
    engine = networks
    engine.ok("network", "create", "back")
    engine.detached("--network", "back", "--name", "db", *SLEEP)
    engine.detached("--network", "back", *said, "--name", "dns", "busybox", "nc", "-ll", "-p", "53",
                    "-e", "echo", "served")  # fmt: skip
    assert reaches(engine, "dns", "db")
    out = wait_for(lambda: engine.run("exec", "db", "nc", "-w2", "dns", "53").out)
    assert out == "served\n"
    assert "127.0.0.11" in engine.ok("exec", "dns", "nslookup", "db")
    engine.ok("network", "create", "front")
    engine.ok("network", "connect", "front", "dns")
    engine.detached("--network", "front", "--name", "web", *SLEEP)
    assert reaches(engine, "dns", "web") and reaches(engine, "dns", "db")


def test_a_network_without_the_guard(networks: Engine) -> None:
    """-o guard=false: for programs that move an address between containers."""
    engine = networks
    for name, options, answers in (("held", (), False), ("free", ("-o", "guard=false"), True)):
        engine.ok("network", "create", "--subnet", f"{C}.0/24", *options, name)
        for c in ("a", "b"):
            engine.detached("--network", name, "--name", c, "--cap-add", "NET_ADMIN", *SLEEP)
        engine.ok("exec", "a", "ip", "addr", "add", f"{C}.200/24", "dev", "eth0")
        assert reaches(engine, "b", f"{C}.200") is answers, name
        engine.ok("rm", "-f", "-a", "-t0")
        engine.ok("network", "rm", name)
    assert "guard=maybe" in engine.fails("network", "create", "-o", "guard=maybe", "x")
