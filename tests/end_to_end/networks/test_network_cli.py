"""Networks by the command line: nginx answering over HTTP, every --network mode, name files."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine, free_port, wait_for

OWN_ADDRESS = "192.0.2.2"
"""Of the interface in the tests' namespace (tools/in-test-namespace)."""


def get(address: str, port: int, path: str = "/", timeout_s: float = 5) -> str:
    with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=timeout_s) as answer:
        return answer.read().decode()


def answers(address: str, port: int) -> bool:
    try:
        return "Welcome to nginx" in get(address, port, timeout_s=2)
    except OSError:
        return False


def busy(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


# ---- nginx ----


def test_nginx_from_pull_to_rm(engine: Engine) -> None:
    port = free_port()
    done = engine.run("pull", "nginx", timeout=120)
    assert done.code == 0 and done.out.strip().split("\n")[-1] == "docker.io/library/nginx:latest"
    engine.ok("run", "-d", "--name", "web", "-p", f"{port}:80", "nginx")
    for address in ("127.0.0.1", OWN_ADDRESS):
        wait_for(lambda address=address: answers(address, port))
    row = engine.ok("ps").split("\n")[1]
    assert f"0.0.0.0:{port}->80/tcp" in row and "Up " in row and row.endswith("web")
    assert '"GET / HTTP/1.1" 200' in engine.logs_until("web", "GET /")
    assert "root" in engine.ok("exec", "web", "id")
    assert engine.ok("exec", "web", "stat", "-c", "%U", "/var/log/nginx") == "root"
    assert engine.ok("stop", "web") == "web"
    assert engine.state("web")["ExitCode"] == 0, "nginx ends well after SIGQUIT"
    assert not answers("127.0.0.1", port) and not busy(port)
    assert "Exited (0)" in engine.ok("ps", "-a")
    engine.ok("start", "web")
    wait_for(lambda: answers("127.0.0.1", port))
    engine.ok("rm", "-f", "web")
    assert engine.left() == [] and not busy(port)


@pytest.mark.parametrize("number,status", [(signal.SIGINT, 0), (signal.SIGTERM, 0)])
def test_nginx_in_the_foreground(engine: Engine, number: int, status: int) -> None:
    port = free_port()
    process = engine.popen("run", "--rm", "-q", "-p", f"{port}:80", "nginx")
    wait_for(lambda: answers("127.0.0.1", port), 60)
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == status and b'"GET / HTTP/1.1" 200' in out
    assert engine.left() == []
    assert not busy(port)


def test_nginx_in_the_foreground_on_a_terminal(engine: Engine) -> None:
    port = free_port()
    terminal = engine.pty("run", "--rm", "-q", "-p", f"{port}:80", "nginx")
    wait_for(lambda: answers("127.0.0.1", port), 60)
    terminal.until('"GET / HTTP/1.1" 200')
    terminal.write(b"\x03")
    assert terminal.wait() == 0
    assert engine.left() == []  # the kernel removes the veth pair a moment later


def test_two_nginx(engine: Engine) -> None:
    ports = free_port(), free_port()
    for number, port in enumerate(ports):
        engine.ok("run", "-d", "-q", "--name", f"w{number}", "-p", f"127.0.0.1:{port}:80", "nginx")
    for number, port in enumerate(ports):
        wait_for(lambda port=port: answers("127.0.0.1", port))
        get("127.0.0.1", port, "/")
        assert not answers(OWN_ADDRESS, port), "published on 127.0.0.1 only"
        engine.ok("exec", f"w{number}", "sh", "-c",
                  f"echo number {number} > /var/www/html/n.html")  # fmt: skip
    assert [get("127.0.0.1", port, "/n.html") for port in ports] == ["number 0\n", "number 1\n"]


# ---- ports ----


def server(text: str) -> tuple[str, ...]:
    """A command that answers every connection on port 80 with `text`."""
    return ("busybox", "sh", "-c", f"while :; do echo {text} | nc -l -p 80; done")


def read(address: str, port: int) -> str:
    try:
        with socket.create_connection((address, port), timeout=2) as s:
            return s.makefile().readline().strip()
    except OSError:
        return ""


def test_port_that_is_taken(engine: Engine) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("0.0.0.0", port := free_port()))
        other.listen()
        for options in (("--rm",), ("-d", "--rm")):
            message = engine.fails("run", *options, "-p", f"{port}:80", "busybox", "true")
            assert str(port) in message
    assert engine.left() == []


def test_port_that_another_container_has(engine: Engine) -> None:
    port = free_port()
    engine.ok("run", "-d", "--name", "first", "-p", f"{port}:80", *server("first"))
    message = engine.fails("run", "-d", "--name", "second", "-p", f"{port}:80", "busybox", "true")
    assert str(port) in message
    assert "second" not in engine.ps()
    assert wait_for(lambda: read("127.0.0.1", port)) == "first"
    engine.run("rm", "second")
    engine.ok("rm", "-f", "first")
    assert engine.left() == []
    engine.ok("run", "-d", "--name", "second", "-p", f"{port}:80", *server("second"))
    assert wait_for(lambda: read("127.0.0.1", port)) == "second"


def test_forms_of_p(engine: Engine) -> None:
    first = free_port()
    last = free_port()
    engine.ok("run", "-d", "--name", "c", "-p", "80", "-p", f"127.0.0.1:{first}:80", "-p",
              f"{last}:80/tcp", "-p", f"{first}:53/udp", *server("hi"))  # fmt: skip
    ports = engine.inspect("c")["NetworkSettings"]["Ports"]
    chosen = {(p["HostIp"], p["HostPort"]) for p in ports["80/tcp"]}
    assert ("127.0.0.1", str(first)) in chosen and ("0.0.0.0", str(last)) in chosen
    assert len(chosen) == 3
    assert ports["53/udp"] == [{"HostIp": "0.0.0.0", "HostPort": str(first)}]
    for _, number in chosen:
        assert wait_for(lambda number=number: read("127.0.0.1", int(number))) == "hi"


def test_publish_all(engine: Engine) -> None:
    engine.ok("run", "-d", "--name", "c", "-P", "--expose", "80", "--expose", "81/udp",
              *server("all"))  # fmt: skip
    ports = engine.inspect("c")["NetworkSettings"]["Ports"]
    assert set(ports) == {"80/tcp", "81/udp"}
    port = int(ports["80/tcp"][0]["HostPort"])
    assert wait_for(lambda: read("127.0.0.1", port)) == "all"


@pytest.mark.parametrize(
    "text",
    ["", "x", "0", "65536", "1:2:3:4", "1-2:3-5", "80/icmp", "999.0.0.1:1:2", "-1", ":", "80:"],
)
def test_bad_ports(engine: Engine, text: str) -> None:
    engine.fails("run", "--rm", "-p", text, "busybox", "true")
    assert engine.left() == []


def test_ports_need_a_network_of_their_own(engine: Engine) -> None:
    engine.detached("--name", "other", "busybox", "sleep", "1000")
    assert "publish" in engine.fails(
        "run", "--rm", "--network", "container:other", "-p", "80", "busybox", "true"
    )


ECHO = """import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 53))
while True:
    data, peer = s.recvfrom(100)
    s.sendto(b"pong " + data, peer)
"""


def test_udp(engine: Engine, base: Path) -> None:
    """busybox has no udp server: this Python, with the host's files bound in, is one."""
    port = free_port()
    # slirp4netns drops the answers to 127.0.0.1 as it keeps the host's loopback from guests
    address = OWN_ADDRESS if engine.rootless else "127.0.0.1"
    script = base / "echo.py"
    script.write_text(ECHO)
    options = [x for d in ("/usr", "/lib", "/lib64") for x in ("-v", f"{d}:{d}:ro")]
    engine.ok("run", "-d", "--name", "c", "-p", f"{port}:53/udp", *options,
              "-v", f"{script}:/echo.py:ro", "busybox", "/usr/bin/python3", "/echo.py")  # fmt: skip

    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.5)
            s.connect((address, port))
            try:
                s.send(b"ping")
                return s.recv(100)
            except OSError:
                return b""

    assert wait_for(ask) == b"pong ping"


# ---- modes ----


def names(text: str) -> set[str]:
    return {line.split(":")[1].strip().partition("@")[0] for line in text.split("\n")}


SHOW = ("ip", "-o", "link")


def test_none(engine: Engine) -> None:
    out = engine.ok("run", "--rm", "--network", "none", "busybox", *SHOW)
    assert names(out) == {"lo"} and "UP" in out
    script = "ping -c1 -W2 127.0.0.1 > /dev/null && echo self"
    assert engine.ok("run", "--rm", "--net=none", "busybox", "sh", "-c", script) == "self"


def test_host(engine: Engine) -> None:
    out = engine.ok("run", "--rm", "--network", "host", "busybox", "sh", "-c",
                    "readlink /proc/self/ns/net; hostname")  # fmt: skip
    assert out.split("\n")[0] == Path("/proc/self/ns/net").readlink().name
    assert out.split("\n")[1] == socket.gethostname()


def test_bridge(root: Engine) -> None:
    done = root.run("run", "--rm", "busybox", "sh", "-c", "ip -4 -o addr show eth0; ip route; cat "
                    "/proc/sys/net/ipv4/conf/eth0/forwarding")  # fmt: skip
    assert "inet 10." in done.out and "default via 10." in done.out
    # a container reaches the host's address, and others on the bridge
    root.ok("run", "-d", "--name", "s", *server("served"))
    address = root.inspect("s")["NetworkSettings"]["IPAddress"]
    script = f"for i in 1 2 3 4 5; do nc {address} 80 </dev/null && break; sleep 0.2; done"
    assert root.ok("run", "--rm", "busybox", "sh", "-c", script) == "served"


def test_users_network_reaches_out(user: Engine) -> None:
    with socket.socket() as listener:
        listener.bind((OWN_ADDRESS, 0))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"outside\n")
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        script = f"nc {OWN_ADDRESS} {port} </dev/null"
        assert user.ok("run", "--rm", "busybox", "sh", "-c", script) == "outside"


def test_bridge_reaches_out(root: Engine) -> None:
    with socket.socket() as listener:
        listener.bind((OWN_ADDRESS, 0))
        listener.listen()
        port = listener.getsockname()[1]
        process = root.popen("run", "--rm", "busybox", "nc", OWN_ADDRESS, port)
        listener.settimeout(20)
        connection, _ = listener.accept()
        connection.sendall(b"outside\n")
        connection.close()
        assert process.communicate(timeout=20)[0] == b"outside\n"


@pytest.mark.parametrize("mode", ["none", "bridge"])
def test_network_of_another_container(engine: Engine, mode: str) -> None:
    engine.ok("run", "-d", "--network", mode, "--name", "owner", "--hostname", "own",
              "--add-host", "db:192.0.2.77", *server("shared"))  # fmt: skip
    script = (
        "for i in $(seq 50); do nc 127.0.0.1 80 </dev/null && break; sleep 0.1; done;"
        "readlink /proc/self/ns/net; grep db /etc/hosts"
    )
    out = engine.ok("run", "--rm", "--network", "container:owner", "busybox", "sh", "-c", script)
    lines = out.split("\n")
    assert lines[0] == "shared" and "192.0.2.77" in lines[2]
    assert lines[1] == engine.ok("exec", "owner", "readlink", "/proc/self/ns/net")
    assert engine.ps() == ["owner"], "it goes on after the other has ended"


def test_network_of_a_container_that_does_not_run(engine: Engine) -> None:
    engine.ok("create", "--name", "still", "--network", "none", "busybox")
    engine.fails("run", "--rm", "--network", "container:nosuch", "busybox", "true")
    assert "not running" in engine.fails(
        "run", "--rm", "--network", "container:still", "busybox", "true"
    )
    engine.fails("run", "--rm", "--network", "nosuch", "busybox", "true")
    assert engine.ps("-a") == ["still"]


# ---- name files ----


def test_hosts_resolv_conf_hostname(engine: Engine) -> None:
    out = engine.ok(
        "run", "--rm", "--hostname", "box", "--add-host", "db:192.0.2.77", "--add-host",
        "two:192.0.2.78", "--dns", "192.0.2.53", "--dns-search", "example.org", "--dns-option",
        "ndots:3", "busybox", "sh", "-c",
        "cat /etc/hosts; echo; cat /etc/resolv.conf; echo; cat /etc/hostname; hostname -i",
    )  # fmt: skip
    hosts, resolv, rest = out.split("\n\n")
    lines = [line.split() for line in hosts.split("\n")]
    assert ["127.0.0.1", "localhost"] in lines and ["192.0.2.77", "db"] in lines
    assert ["192.0.2.78", "two"] in lines
    assert any(line[1:] == ["box"] and not line[0].startswith("127.") for line in lines)
    assert "nameserver 192.0.2.53" in resolv and "search example.org" in resolv
    assert "options ndots:3" in resolv
    assert rest.split("\n")[0] == "box"


def test_name_files_can_be_written_inside(engine: Engine) -> None:
    script = "echo 192.0.2.9 mine >> /etc/hosts && grep mine /etc/hosts"
    assert "mine" in engine.ok("run", "--rm", "--network", "none", "busybox", "sh", "-c", script)


@pytest.mark.parametrize("option", ["--add-host=x", "--add-host=a b:1.2.3.4", "--add-host=a:1.2.3",
                                    "--add-host=a\nb:1.2.3.4", "--dns=x", "--hostname=a b",
                                    "--hostname=-x\n", "--hostname=" + "a" * 65])  # fmt: skip
def test_bad_names_and_addresses(engine: Engine, option: str) -> None:
    engine.fails("run", "--rm", "--network", "none", option, "busybox", "true")
    assert engine.left() == []


def test_ip_and_mac_address(root: Engine) -> None:
    root.ok("run", "-d", "--name", "a", "busybox", "sleep", "1000")
    settings = root.inspect("a")["NetworkSettings"]
    root.ok("rm", "-f", "a")
    done = root.run("run", "-d", "--name", "b", "--ip", settings["IPAddress"], "--mac-address",
                    "02:11:22:33:44:55", "busybox", "sleep", "1000")  # fmt: skip
    assert done.code == 0
    found = root.inspect("b")["NetworkSettings"]
    assert found["IPAddress"] == settings["IPAddress"]
    assert found["MacAddress"] == "02:11:22:33:44:55"
    assert "02:11:22:33:44:55" in root.ok("exec", "b", "cat", "/sys/class/net/eth0/address")
    assert root.run("run", "--rm", "--ip", settings["IPAddress"], "busybox", "true").code == 125
    for bad in ("1.2.3", "192.0.2.1"):
        root.fails("run", "--rm", "--ip", bad, "busybox", "true")


def test_ping_and_low_ports_without_capabilities(engine: Engine) -> None:
    script = "ping -c1 -W2 127.0.0.1 >/dev/null && echo ok"
    assert engine.ok("run", "--rm", "busybox", "sh", "-c", script) == "ok"


# ---- what must be there ----


def test_no_rules_left_after_many(root: Engine) -> None:
    root.ok("run", "--rm", "-p", f"{free_port()}:80", "busybox", "true")
    file = root.root / "networks/bridge.json"
    table = json.loads(file.read_text())["table"]

    def rules() -> str:
        return subprocess.run(["nft", "list", "table", "ip", table], capture_output=True, text=True,
                              check=True).stdout  # fmt: skip

    before = rules()
    for _ in range(10):
        root.ok("run", "--rm", "-p", f"{free_port()}:80", "busybox", "true")
    assert rules() == before


def test_port_map_flushed_by_somebody(root: Engine) -> None:
    """After a flush of the rules running containers can still be stopped and new ones started."""
    port = free_port()
    root.ok("run", "-d", "--name", "a", "-p", f"{port}:80", *server("a"))
    table = json.loads((root.root / "networks/bridge.json").read_text())["table"]
    subprocess.run(["nft", "delete", "table", "ip", table], check=True)
    assert root.ok("stop", "-t0", "a") == "a"
    root.ok("start", "a")
    assert wait_for(lambda: read("127.0.0.1", port)) == "a"


def test_network_reload(engine: Engine) -> None:
    """What the firewall's restart flushed is there again, while the containers run on."""
    port = free_port()
    first = engine.ok("run", "-d", "--name", "web", "-p", f"{port}:80", *server("web"))
    second = engine.detached("--name", "shop", "busybox", "sleep", "1000")
    wait_for(lambda: read("127.0.0.1", port))
    if not engine.rootless:
        table = json.loads((engine.root / "networks/bridge.json").read_text())["table"]
        subprocess.run(["nft", "delete", "table", "ip", table], check=True)
        assert not read("127.0.0.1", port)
    assert set(engine.ok("network", "reload", "--all").split()) == {first, second}
    assert read("127.0.0.1", port) == "web"
    assert engine.ok("network", "reload", "web") == first
    engine.ok("stop", "-t0", "web")
    assert "not running" in engine.fails("network", "reload", "web")
    engine.ok("rm", "-f", "web", "shop")


@pytest.fixture
def without(request: pytest.FixtureRequest) -> Iterator[Callable[..., list[str]]]:
    """A wrapper that hides programs in a mount namespace of its own."""

    def hide(*paths: str) -> list[str]:
        script = "".join(f"mount --bind /dev/null {p};" for p in paths)
        return ["unshare", "-m", "--propagation", "private", "sh", "-c", script + 'exec "$@"', "sh"]

    yield hide


def test_user_without_pasta_and_slirp(user: Engine, without: Callable[..., list[str]]) -> None:
    wrap = without("/usr/bin/pasta", "/usr/bin/slirp4netns")
    message = user.fails("run", "--rm", "busybox", "true", wrap=wrap)
    assert "pasta" in message and "apt install passt" in message
    assert user.left() == []
    assert user.ok("run", "--rm", "--network", "none", "busybox", "echo", "x", wrap=wrap) == "x"


@pytest.mark.parametrize("missing", ["pasta", "slirp4netns"])
def test_user_with_one_of_them(
    user: Engine, without: Callable[..., list[str]], missing: str
) -> None:
    wrap = without(f"/usr/bin/{missing}")
    if missing == "slirp4netns":
        # this pasta may be the one that dies at the first connection: only that it starts
        assert user.ok("run", "--rm", "busybox", "echo", "x", wrap=wrap) == "x"
        return
    port = free_port()
    user.ok("run", "-d", "-p", f"{port}:80", *server("one"), wrap=wrap)
    assert wait_for(lambda: read("127.0.0.1", port)) == "one"


def test_the_host_has_a_name(engine: Engine) -> None:
    """A service of the host on all its addresses answers at host-gateway."""
    import functools
    import http.server
    import threading

    port = free_port()
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory="/usr/share/doc/base-files"
    )
    server = http.server.ThreadingHTTPServer(("0.0.0.0", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for name in ("there", "host.docker.internal", "host.containers.internal"):
            engine.ok("run", "--rm", "--add-host", "there:host-gateway", "busybox", "wget", "-q",
                      "-O", "/dev/null", f"http://{name}:{port}/")  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()


def test_dns_none_leaves_the_images_file(engine: Engine) -> None:
    done = engine.run("run", "--rm", "--dns", "none", "busybox", "cat", "/etc/resolv.conf")
    assert done.code == 1 and "No such file" in done.err, "the image has none"
