"""Published ports: one taker each, told before anything runs, with nothing left behind; and a
container is not told that a stranger is its own loopback (CVE-2021-20199)."""

from __future__ import annotations

import json
import socket
import subprocess

from engine import Engine, free_port, wait_for

SLEEP = ("busybox", "sleep", "1000")


def rules(engine: Engine) -> str:
    """The rules of this store's tables, as they are listed but for counters."""
    file = engine.root / "networks/bridge.json"
    table = json.loads(file.read_text())["table"] if file.exists() and not engine.rootless else ""
    found = []
    for family in ("ip", "ip6", "bridge") if table else ():
        done = subprocess.run(["nft", "-s", "list", "table", family, table], capture_output=True)
        found.append(done.stdout.decode())
    return "\n".join(found)


def listening() -> set[str]:
    """Sockets on this worker's ports."""
    worker = free_port() // 1000
    done = subprocess.run(["ss", "-Hltun"], capture_output=True, text=True, check=True)
    local = {line.split()[4] for line in done.stdout.splitlines()}
    return {one for one in local if int(one.rpartition(":")[2]) // 1000 == worker}


def test_the_second_taker(engine: Engine) -> None:
    """It is refused with the first one's name, before its command runs; the first one stays."""
    port, other = free_port(), free_port()
    engine.detached("--name", "first", "-p", f"{port}:80", "-v", "ran:/ran", *SLEEP)
    before, ports = rules(engine), listening()
    told = ("run", "-v", "ran:/ran", "busybox", "touch", "/ran/second")
    for words in (
        (*told[:1], "-d", "-p", f"{port}:81", *told[1:]),
        (*told[:1], "--name", "second", "-p", f"{other}:80", "-p", f"{port}:80", *told[1:]),
        (*told[:1], "--rm", "-p", f"127.0.0.1:{port}:80", *told[1:]),
    ):
        message = engine.fails(*words)
        assert f"{port}/tcp is already in use by container first" in message
        assert "first" in engine.ps() and rules(engine) == before and listening() == ports
    assert engine.ok("exec", "first", "ls", "/ran") == ""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", other))
        taken.listen()
        before = rules(engine)
        message = engine.fails("run", "--rm", "-p", f"{other}:80", *told[1:])
        assert f"{other}/tcp is already in use" in message and rules(engine) == before
    engine.ok("rm", "-f", "-t0", "first")
    engine.ok("run", "--rm", "-p", f"{port}:80", "-p", f"{other}:80", "busybox", "true")


def test_nothing_is_left_of_many(engine: Engine) -> None:
    """Rules, sockets and interfaces after starts and ends of every kind are those of before."""
    engine.ok("run", "--rm", "-p", f"{free_port()}:80", "busybox", "true")  # the bridge stays

    def seen() -> tuple[str, set[str], list[str]]:
        return rules(engine), listening(), engine.interfaces()

    before = seen()
    for n in range(8):
        port = free_port()
        publish = ("-p", f"{port}:80", "-p", f"127.0.0.1:{port}:81/udp")
        if n % 4 == 0:
            engine.ok("run", "--rm", *publish, "busybox", "true")
        elif n % 4 == 1:
            assert engine.run("run", "--rm", *publish, "busybox", "nosuch").code == 127
        elif n % 4 == 2:
            engine.detached("--name", "c", *publish, *SLEEP)
            engine.ok("rm", "-f", "-t0", "c")
        else:
            engine.detached("--name", "c", *publish, *SLEEP)
            monitor, first = engine.pids(engine.inspect("c")["Id"])
            subprocess.run(["kill", "-9", str(monitor), str(first)], check=True)
            engine.ok("rm", "-f", "-t0", "c")
    wait_for(lambda: seen() == before, timeout_s=5)


def test_who_a_container_sees(engine: Engine) -> None:
    """Its own loopback is itself alone: a client from outside never has 127.0.0.1 or ::1, which
    programs trust."""
    port = free_port()
    listens = "while :; do nc -l -p 80 > /dev/null; done"
    engine.detached("-i", "--name", "c", "-p", f"{port}:80", "busybox", "sh", "-c", listens)

    def remote(host: str) -> str:
        """The address of the other end of a connection that is open now, as the kernel has it."""
        try:
            with socket.create_connection((host, port), timeout=2) as s:
                s.sendall(b"x")
                for _ in range(20):
                    rows = engine.ok("exec", "c", "cat", "/proc/net/tcp", "/proc/net/tcp6")
                    for row in rows.splitlines():
                        _, local, other, state, *_ = row.split()
                        if state == "01" and local.endswith(":0050"):
                            return other.partition(":")[0]
        except OSError:
            pass
        return ""

    for host in ("192.0.2.2", "127.0.0.1", "::1"):
        who = wait_for(lambda host=host: remote(host), timeout_s=10)
        assert not who.endswith("7F") or len(who) != 8, (host, who)
        assert who not in ("00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


def test_a_neighbours_address_is_kept(root: Engine) -> None:
    """Who comes from another machine is seen by its own address."""
    names = ("netns add neighbour", "link add near1 type veth peer name far1 netns neighbour",
             "addr add 198.51.100.1/24 dev near1", "link set near1 up",
             "-n neighbour addr add 198.51.100.9/24 dev far1",
             "-n neighbour link set far1 up")  # fmt: skip
    try:
        for words in names:
            subprocess.run(["ip", *words.split()], check=True)
        port = free_port()
        listens = "while :; do nc -l -p 80 > /dev/null; done"
        root.detached("--name", "c", "-p", f"{port}:80", "busybox", "sh", "-c", listens)
        client = subprocess.Popen(
            ["ip", "netns", "exec", "neighbour", "/bin/busybox", "nc", "198.51.100.1", str(port)],
            stdin=subprocess.PIPE,
        )
        try:
            wait_for(lambda: "096433C6:" in root.ok("exec", "c", "cat", "/proc/net/tcp",
                                                    "/proc/net/tcp6"))  # fmt: skip
        finally:
            client.kill()
            client.communicate()
    finally:
        subprocess.run(["ip", "link", "del", "near1"])
        subprocess.run(["ip", "netns", "del", "neighbour"])
