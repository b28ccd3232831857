"""Published ports at ::1, which the container's monitor passes on (_native/relay.c)."""

from __future__ import annotations

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
        with socket.create_connection((host, port), timeout=10) as s:
            sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
            sender.start()
            found = b"".join(iter(lambda: s.recv(65536), b""))
            sender.join()
            return found
    except OSError:
        return b""


def relays() -> list[int]:
    """Processes that pass connections on."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text() == "crunpy-relay\n":
                found.append(int(entry.name))
        except OSError:
            continue
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
    engine.detached("--network", network, "--name", "a", "-p", f"{port}:80",
                    "-p", f"127.0.0.1:{local}:80", *ECHO)  # fmt: skip
    assert wait_for(lambda: echoed(port, host="127.0.0.1")) == b"hello"
    assert wait_for(lambda: echoed(port)) == b"hello"
    data = os.urandom(3 << 20)
    assert echoed(port, data) == data
    assert echoed(local, host="127.0.0.1") == b"hello" and echoed(local) == b""
    wait_for(lambda: not relays())
    engine.ok("rm", "-f", "-t0", "a")
    assert echoed(port) == b""


def test_at_that_address_alone(root: Engine) -> None:
    port, other = free_port(), free_port()
    root.detached("--network", "bridge", "--name", "a", "-p", f"[::1]:{port}:80", *ECHO)
    assert wait_for(lambda: echoed(port)) == b"hello"
    assert echoed(port, host="127.0.0.1") == b""
    assert f"80/tcp -> [::1]:{port}" in root.ok("port", "a")
    told = root.fails("run", "--rm", "-p", f"[::1]:{port}:80", "busybox", "true")
    assert "already in use" in told and "container a" in told
    root.ok("port", "add", "a", f"[::1]:{other}:80")
    assert echoed(other) == b"hello"
    root.ok("port", "rm", "a", f"[::1]:{other}:80")
    assert echoed(other) == b"" and echoed(port) == b"hello"
    root.ok("restart", "-t0", "a")
    assert wait_for(lambda: echoed(port)) == b"hello"


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
    """At most 128 at once, the others wait; what has ended is not there any more; nobody spins."""
    port = free_port()
    container = root.detached("--network", "bridge", "--name", "a", "-p", f"{port}:80", *ECHO)
    assert wait_for(lambda: echoed(port)) == b"hello"
    open_ones = [socket.create_connection(("::1", port), timeout=5) for _ in range(150)]
    for s in open_ones[:120]:
        s.sendall(b"x")
        assert s.recv(1) == b"x"
    assert len(relays()) <= 128
    for s in open_ones[:60]:
        s.close()
    open_ones[-1].sendall(b"y")
    assert open_ones[-1].recv(1) == b"y"
    monitor = root.pids(container)[0]
    used = [sum(map(int, Path(f"/proc/{pid}/stat").read_text().split()[13:15]))
            for pid in (monitor, *relays())]  # fmt: skip
    time.sleep(1)
    later = [sum(map(int, Path(f"/proc/{pid}/stat").read_text().split()[13:15]))
             for pid in (monitor, *relays())]  # fmt: skip
    assert sum(later) - sum(used) < 20, (used, later)  # hundredths of a second
    uids = {Path(f"/proc/{pid}").stat().st_uid for pid in relays()}
    status = Path(f"/proc/{relays()[0]}/status").read_text()
    assert "Uid:\t65534\t65534" in status and "NoNewPrivs:\t1" in status, (uids, status)
    root.ok("kill", "a")
    assert open_ones[-1].recv(1) == b""
    assert wait_for(lambda: not relays())
    for s in open_ones:
        s.close()


def test_a_container_that_does_not_listen(root: Engine) -> None:
    port = free_port()
    root.detached("--network", "bridge", "--name", "a", "-p", f"{port}:80", "busybox", "sleep",
                  "1000")  # fmt: skip
    with pytest.raises(ConnectionResetError), socket.create_connection(("::1", port), 5) as s:
        s.recv(1)
    assert wait_for(lambda: not relays())


def test_a_port_that_is_taken_there_alone(root: Engine) -> None:
    """Another program's ::1 is its own; the container has the rest."""
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", 0))
        other.listen()
        port = other.getsockname()[1]
        root.detached("--network", "bridge", "--name", "a", "-p", f"{port}:80", *ECHO)
        assert wait_for(lambda: echoed(port, host="127.0.0.1")) == b"hello"
