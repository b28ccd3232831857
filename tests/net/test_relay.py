"""Published ports at ::1, which the container's monitor passes on (_native/relay.c)."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine, free_port, wait_for

ECHO = ("busybox", "nc", "-ll", "-p", "80", "-e", "cat")


@pytest.fixture
def networks(engine: Engine) -> Iterator[Engine]:
    yield engine
    engine.run("rm", "-f", "-a", "-t", "0")
    engine.ok("network", "prune", "-f")


def echoed(port: int, data: bytes = b"hello", host: str = "::1") -> bytes:
    """What comes back when all of `data` was sent and the end was said; b"" for no connection."""
    try:
        with socket.create_connection((host, port), timeout=30) as s:
            sender = threading.Thread(target=send, args=(s, data))
            sender.start()
            found = b"".join(iter(lambda: s.recv(65536), b""))
            sender.join()
            return found
    except OSError:
        return b""


def send(to: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # who answers without reading has closed by now
        to.sendall(data)
        to.shutdown(socket.SHUT_WR)


def relays(monitor: int) -> list[int]:
    """Processes that pass connections on for the monitor of a container."""
    found = []
    for pid in Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError):  # it ends just now
            if Path(f"/proc/{pid}/comm").read_bytes() == b"crunpy-relay\n":
                found.append(int(pid))
    return found


@pytest.mark.parametrize("network", ["bridge", "back"])
def test_localhost_by_ipv6(networks: Engine, network: str) -> None:
    """-p without an address answers there too, as Docker's."""
    _localhost_by_ipv6(networks, network)


def test_localhost_by_ipv6_through_slirp4netns(user: Engine) -> None:
    _localhost_by_ipv6(user, "slirp4netns")


def _localhost_by_ipv6(engine: Engine, network: str) -> None:
    if network == "back":
        engine.ok("network", "create", "--ipv6", "back")
    port, local = free_port(), free_port()
    made = engine.detached("--network", network, "--name", "a", "-p", f"{port}:80",
                           "-p", f"127.0.0.1:{local}:80", *ECHO)  # fmt: skip
    monitor = engine.pids(made)[0]
    assert wait_for(lambda: echoed(port, host="127.0.0.1")) == b"hello"
    assert wait_for(lambda: echoed(port)) == b"hello"
    data = os.urandom(3 << 20)
    assert echoed(port, data) == data
    assert echoed(local, host="127.0.0.1") == b"hello" and echoed(local) == b""
    wait_for(lambda: not relays(monitor))
    assert echoed(port) == b"hello"
    (relay,) = relays(monitor)
    engine.ok("rm", "-f", "-t0", "a")
    assert echoed(port) == b"" and not Path(f"/proc/{relay}").exists()


@pytest.mark.parametrize("network", ["bridge", "back"])
def test_at_that_address_alone(networks: Engine, network: str) -> None:
    _at_that_address_alone(networks, network)


def test_at_that_address_alone_beside_slirp4netns(user: Engine) -> None:
    _at_that_address_alone(user, "slirp4netns")


def _at_that_address_alone(engine: Engine, network: str) -> None:
    if network == "back":
        engine.ok("network", "create", "back")
    port, other = free_port(), free_port()
    engine.detached("--network", network, "--name", "a", "-p", f"[::1]:{port}:80", *ECHO)
    assert wait_for(lambda: echoed(port)) == b"hello"
    assert echoed(port, host="127.0.0.1") == b""
    assert f"80/tcp -> [::1]:{port}" in engine.ok("port", "a")
    told = engine.fails("run", "--rm", "-p", f"[::1]:{port}:80", "busybox", "true")
    assert "already in use" in told and "container a" in told
    engine.ok("port", "add", "a", f"[::1]:{other}:80")
    assert echoed(other) == b"hello"
    engine.ok("port", "rm", "a", f"[::1]:{other}:80")
    assert echoed(other) == b"" and echoed(port) == b"hello"
    engine.ok("restart", "-t0", "a")
    assert wait_for(lambda: echoed(port)) == b"hello"


def test_one_number_at_two_addresses(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "back")
    port = free_port()
    engine.detached("--network", "back", "-p", f"127.0.0.1:{port}:80", *ECHO)
    engine.detached("--network", "back", "-p", f"127.0.0.2:{port}:80", "busybox", "nc", "-ll", "-p",
                    "80", "-e", "echo", "second")  # fmt: skip
    assert wait_for(lambda: echoed(port, host="127.0.0.1")) == b"hello"
    assert wait_for(lambda: echoed(port, host="127.0.0.2")) == b"second\n"


def test_they_follow_to_another_network(networks: Engine) -> None:
    engine = networks
    for name in ("back", "front"):
        engine.ok("network", "create", name)
    port, local = free_port(), free_port()
    engine.detached("--network", "back", "--network", "front", "--name", "a", "-p", f"{port}:80",
                    "-p", f"127.0.0.1:{local}:80", *ECHO)  # fmt: skip
    assert wait_for(lambda: echoed(port, host="127.0.0.1")) == b"hello"
    engine.ok("network", "disconnect", "back", "a")
    for number in (port, local):
        assert echoed(number, host="127.0.0.1") == b"hello"
    assert echoed(port) == b"hello"
    engine.ok("network", "disconnect", "front", "a")
    assert echoed(port, host="127.0.0.1") == b""
    engine.ok("network", "connect", "back", "a")
    assert echoed(port, host="127.0.0.1") == b"hello"


def test_ports_of_a_running_container(networks: Engine) -> None:
    engine = networks
    engine.ok("network", "create", "back")
    port = free_port()
    engine.detached("--network", "back", "--name", "a", *ECHO)
    engine.ok("port", "add", "a", f"{port}:80")
    assert wait_for(lambda: echoed(port)) == b"hello"
    engine.ok("port", "rm", "a", f"{port}:80")
    assert echoed(port) == b""


def test_many_connections_and_ends(root: Engine) -> None:
    """One process passes them all on; it is there while there are any; nobody spins."""
    port = free_port()
    container = root.detached("--network", "bridge", "--name", "a", "-p", f"{port}:80", *ECHO)
    assert wait_for(lambda: echoed(port)) == b"hello"
    open_ones = [socket.create_connection(("::1", port), timeout=5) for _ in range(500)]
    for s in open_ones[:480]:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    monitor = root.pids(container)[0]
    (relay,) = relays(monitor)
    for s in open_ones[:400]:
        s.close()
    open_ones[-1].sendall(b"y")
    assert open_ones[-1].recv(1) == b"y"
    used = [sum(map(int, Path(f"/proc/{pid}/stat").read_text().split()[13:15]))
            for pid in (monitor, relay)]  # fmt: skip
    time.sleep(1)
    later = [sum(map(int, Path(f"/proc/{pid}/stat").read_text().split()[13:15]))
             for pid in (monitor, relay)]  # fmt: skip
    assert sum(later) - sum(used) < 20, (used, later)  # hundredths of a second
    status = Path(f"/proc/{relay}/status").read_text()
    assert "Uid:\t65534\t65534" in status and "NoNewPrivs:\t1" in status, status
    root.ok("kill", "a")
    assert open_ones[-1].recv(1) == b""
    assert wait_for(lambda: not Path(f"/proc/{relay}").exists())
    for s in open_ones:
        s.close()


def test_clients_that_flood_and_never_read(root: Engine) -> None:
    """What nobody takes stays with the kernel, which bounds it; others are served meanwhile."""
    port, other = free_port(), free_port()
    script = "nc -ll -p 80 -e sleep 1000 & exec nc -ll -p 81 -e cat"
    made = root.detached("--network", "bridge", "-p", f"{port}:80", "-p", f"{other}:81", "busybox",
                         "sh", "-c", script)  # fmt: skip
    assert wait_for(lambda: echoed(other)) == b"hello"
    # the one in the background, too: port 80 (0x50), state TCP_LISTEN (proc_net_tcp(5))
    listens = ("exec", made, "grep", "-q", ":0050 .* 0A ", "/proc/net/tcp", "/proc/net/tcp6")
    wait_for(lambda: root.run(*listens).code == 0)
    flood, sent = [], 0
    for _ in range(60):
        s = socket.create_connection(("::1", port), timeout=5)
        s.setblocking(False)
        flood.append(s)
    for _ in range(20):
        for s in flood:
            with contextlib.suppress(BlockingIOError):
                sent += s.send(bytes(1 << 20))
    assert sent > 60 << 16
    started = time.monotonic()
    assert echoed(other) == b"hello" and time.monotonic() - started < 20
    for pid in (root.pids(made)[0], *relays(root.pids(made)[0])):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        used = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        assert used < 4096, f"{used} kB"
    for s in flood:
        s.close()
    assert echoed(other) == b"hello"


def test_a_container_that_does_not_listen(root: Engine) -> None:
    port = free_port()
    made = root.detached("--network", "bridge", "--name", "a", "-p", f"{port}:80", "busybox",
                         "sleep", "1000")  # fmt: skip
    with pytest.raises(ConnectionResetError), socket.create_connection(("::1", port), 5) as s:
        s.recv(1)
    assert wait_for(lambda: not relays(root.pids(made)[0]))


def test_a_port_that_is_taken_there_alone(root: Engine) -> None:
    """Another program's ::1 is its own; the container has the rest."""
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", 0))
        other.listen()
        port = other.getsockname()[1]
        root.detached("--network", "bridge", "--name", "a", "-p", f"{port}:80", *ECHO)
        assert wait_for(lambda: echoed(port, host="127.0.0.1")) == b"hello"
