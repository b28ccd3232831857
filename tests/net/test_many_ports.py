"""A thousand published ports cost as much as one does, and networks that come and go leave
nothing."""

from __future__ import annotations

import os
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import netns
import pytest
from engine import Engine, free_port
from programs import Programs

pytestmark = netns.needs_root

SLEEP = ("busybox", "sleep", "1000")
PORTS = int(os.environ.get("CRUNPY_MANY_PORTS", "1000"))
CYCLES = int(os.environ.get("CRUNPY_NETWORK_CYCLES", "60"))
FIRST, FIRST_INSIDE = 24000, 2000


@pytest.fixture
def engine(root: Engine) -> Iterator[Engine]:
    """On a host of its own."""
    with netns.private_network():
        yield root
        root.ok("rm", "-f", "-a", "-t", "0")


def namespace(engine: Engine, name: str) -> int:
    """The network namespace of a container."""
    pid = engine.pids(engine.inspect(name)["Id"])[1]
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def median_ms(act: Callable[[int], object], times: int) -> float:
    """Of `act(0)`, `act(1)` …"""
    taken = []
    for number in range(times):
        start = time.perf_counter()
        act(number)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


def costs(engine: Engine, name: str, port: int) -> tuple[float, float]:
    """(to publish one more, to connect to `port`) in ms"""
    more = [free_port() for _ in range(7)]
    add = median_ms(lambda n: engine.ok("port", "add", name, f"{more[n]}:80"), len(more))
    connect = median_ms(lambda _: socket.create_connection(("127.0.0.1", port)).close(), 50)
    return add, connect


def test_a_thousand_cost_what_one_does(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    last, last_inside = FIRST + PORTS - 1, FIRST_INSIDE + PORTS - 1
    one = free_port()
    engine.ok("run", "-d", "--name", "one", "-p", f"{one}:80", *SLEEP)
    start = time.perf_counter()
    engine.ok("run", "-d", "--name", "many", "-p", f"{FIRST}-{last}:{FIRST_INSIDE}-{last_inside}",
              *SLEEP)  # fmt: skip
    started = time.perf_counter() - start
    few, many = namespace(engine, "one"), namespace(engine, "many")
    try:
        with netns.echo_server(few, 80), netns.echo_server(many, FIRST_INSIDE), \
                netns.echo_server(many, last_inside), netns.echo_server(many, 80):  # fmt: skip
            gateway = engine.inspect("many")["NetworkSettings"]["Gateway"]
            assert netns.ask("127.0.0.1", FIRST) == gateway
            assert netns.ask("127.0.0.1", last) == gateway
            with pytest.raises(ConnectionRefusedError):
                netns.ask("127.0.0.1", last + 1)
            add_to_one, connect_to_one = costs(engine, "one", one)
            add, connect = costs(engine, "many", last)
    finally:
        os.close(few)
        os.close(many)
    with capsys.disabled():
        print(f"\n{PORTS} ports: run {started:.2f} s; one more: {add:.1f} ms "
              f"(with one: {add_to_one:.1f}); connect: {connect:.3f} ms "
              f"({connect_to_one:.3f})")  # fmt: skip
    assert len(engine.ok("port", "many").splitlines()) == PORTS + 7
    assert add <= 3 * add_to_one + 20
    assert connect <= 3 * connect_to_one + 20
    engine.ok("rm", "-f", "-t0", "many")
    with socket.socket() as other:  # and all are free again
        other.bind(("0.0.0.0", last))


def test_a_thousand_with_the_limit_of_a_shell(engine: Engine) -> None:
    """Of open files: 1,024 of them, which a program may raise as it needs."""
    shell = ["prlimit", "--nofile=1024:"]
    inside = engine.ok("run", "--rm", "busybox", "sh", "-c", "ulimit -Sn; ulimit -Hn")
    engine.ok("run", "-d", "--name", "many", "-p", f"{FIRST}-{FIRST + 999}:2000-2999", *SLEEP,
              wrap=shell)  # fmt: skip
    engine.ok("port", "add", "many", *(f"{free_port()}:80" for _ in range(50)), wrap=shell)
    assert len(engine.ok("port", "many").splitlines()) == 1050
    assert engine.ok("exec", "many", "sh", "-c", "ulimit -Sn; ulimit -Hn") == inside
    engine.ok("restart", "-t0", "many", wrap=shell)
    assert len(engine.ok("port", "many").splitlines()) == 1050


CYCLES_OF = """
import os, sys, time
from crun_py.engine import networks
from crun_py.engine.context import Context
from crun_py.model.network import NetworkRequest

context = Context(os.environ["CRUNPY_ROOT"], os.environ["CRUNPY_RUNROOT"])

def cycle():
    networks.create(context, NetworkRequest(name="n"))
    networks.connect(context, "n", "a")
    networks.disconnect(context, "n", "a")
    networks.remove(context, "n")

cycle()
before, start = len(os.listdir("/proc/self/fd")), time.monotonic()
for _ in range(int(sys.argv[1])):
    cycle()
print(f"{sys.argv[1]} cycles: {time.monotonic() - start:.1f} s")
assert len(os.listdir("/proc/self/fd")) == before
"""


def test_networks_that_come_and_go_leave_nothing(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one process, for a command is 0.12 s of imports; test_networks has it by commands."""
    engine.ok("network", "create", "base")
    engine.detached("--network", "base", "--name", "a", *SLEEP)
    monitor = engine.pids(engine.inspect("a")["Id"])[0]

    def cycles(count: int) -> str:
        return Programs(engine).run("-", str(count), input=CYCLES_OF, timeout=600).out

    def seen() -> dict[str, object]:
        files = (p for top in (engine.root, engine.run_root) for p in Path(top).rglob("*"))
        return {
            "files": {str(p) for p in files if "/layers/" not in str(p)},
            "interfaces": [line.split()[0] for line in netns.sh("ip -br link").splitlines()],
            "addresses": netns.sh("ip -br addr; ip route; ip -6 route"),
            "nftables": netns.sh("nft -s list ruleset"),
            "inside": engine.ok("exec", "a", "sh", "-c", "ip addr; ip route; cat /etc/hosts"),
            "allocated": (engine.run_root / "networks/base.json").read_text(),
            "names": (engine.run_root / "networks/dns/names").read_text(),
            "descriptors": len(os.listdir(f"/proc/{monitor}/fd")),
            "processes": min(len(engine.processes()) for _ in range(20)),  # some are ending
        }

    cycles(1)
    before = seen()
    taken = cycles(CYCLES)
    with capsys.disabled():
        print("\n" + taken, end="")
    assert seen() == before
    engine.ok("rm", "-f", "-t0", "a")
    engine.ok("network", "rm", "base")
