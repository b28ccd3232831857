"""Whom containers on networks ask for names that are nobody's there."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine, wait_for

SLEEP = ("busybox", "sleep", "1000")
OWN = f"198.51.100.{10 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))}"
"""An address of the host's, another one for each worker."""
SERVER = """
import socket, sys
address = socket.inet_aton(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
print("ready", flush=True)
while True:
    query, peer = s.recvfrom(2000)
    end = query.index(b"\\0", 12) + 5
    known = query[end - 4 : end - 2] == b"\\0\\1"
    head = query[:2] + b"\\x81\\x80\\0\\1" + (b"\\0\\1" if known else b"\\0\\0") + b"\\0\\0\\0\\0"
    found = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + address if known else b""
    s.sendto(head + query[12:end] + found, peer)
"""


@pytest.fixture
def networks(engine: Engine) -> Iterator[Engine]:
    yield engine
    engine.run("rm", "-f", "-a", "-t", "0")
    engine.ok("network", "prune", "-f")


def asked(engine: Engine, container: str, name: str = "example.org") -> str:
    """What a client of the nameserver in resolv.conf is told."""
    return engine.run("exec", container, "nslookup", "-type=a", name).out


def serve(sock: socket.socket, address: str) -> None:
    while True:
        query, peer = sock.recvfrom(2000)
        if not query:
            return
        end = query.index(b"\0", 12) + 5
        head = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
        found = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(address)
        sock.sendto(head + query[12:end] + found, peer)


@pytest.fixture
def on_host() -> Iterator[str]:
    """A name server of the host's, which knows all names as 203.0.113.9."""
    subprocess.run(["ip", "addr", "replace", f"{OWN}/32", "dev", "lo"], check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((OWN, 53))
        thread = threading.Thread(target=serve, args=(sock, "203.0.113.9"))
        thread.start()
        yield OWN
        sock.sendto(b"", (OWN, 53))
        thread.join()


@pytest.mark.parametrize("internal", [True, False])
def test_a_server_in_a_container(networks: Engine, base: Path, internal: bool) -> None:
    """--dns is asked from within: also on an internal network, from which nothing else goes out."""
    engine = networks
    script = base / "names.py"
    script.write_text(SERVER)
    engine.ok("network", "create", *(["--internal"] if internal else []), "back")
    options = [x for d in ("/usr", "/lib", "/lib64") for x in ("-v", f"{d}:{d}:ro")]
    made = engine.ok("run", "-d", "--network", "back", "--name", "ns", *options, "-v",
                     f"{script}:/names.py:ro", "--expose", "53/udp", "busybox", "/usr/bin/python3",
                     "/names.py", "0.0.0.0", "203.0.113.7")  # fmt: skip
    wait_for(lambda: "ready" in engine.ok("logs", made))
    there = engine.inspect("ns")["NetworkSettings"]["Networks"]["back"]["IPAddress"]
    engine.ok("run", "-d", "--network", "back", "--name", "a", "--dns", there, *SLEEP)
    assert "203.0.113.7" in asked(engine, "a")
    assert there in asked(engine, "a", "ns")
    engine.ok("run", "-d", "--network", "back", "--name", "b", *SLEEP)
    assert "203.0.113" not in asked(engine, "b")


def test_a_network_whose_servers_change(networks: Engine, on_host: str) -> None:
    """Containers that run on it ask the others at once; those on other networks do not."""
    engine = networks
    engine.ok("network", "create", "--dns", "192.0.2.77", "back")
    engine.ok("network", "create", "other")
    engine.ok("run", "-d", "--network", "back", "--name", "a", *SLEEP)
    engine.ok("run", "-d", "--network", "other", "--name", "b", *SLEEP)
    assert "203.0.113" not in asked(engine, "a")
    engine.ok("network", "update", "--dns-add", on_host, "--dns-drop", "192.0.2.77", "back")
    assert "203.0.113.9" in asked(engine, "a") and "203.0.113" not in asked(engine, "b")
    engine.ok("run", "-d", "--network", "back", "--name", "c", *SLEEP)
    assert "203.0.113.9" in asked(engine, "c")
    engine.ok("network", "update", "--dns-drop", on_host, "back")
    assert "203.0.113" not in asked(engine, "a")
    names = (engine.run_root / "networks/dns/names").read_text()
    assert not any(line.startswith("@") for line in names.splitlines())
