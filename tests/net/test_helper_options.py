"""--network pasta:OPTIONS and slirp4netns:OPTIONS."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator

import pytest
from engine import Engine, free_port, wait_for

from crun_py.errors import InvalidArgument
from crun_py.net import helper_options

WEB = ("busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hi")


def read(port: int, host: str = "127.0.0.1") -> str:
    try:
        with socket.create_connection((host, port), timeout=2) as s:
            return b"".join(iter(lambda: s.recv(100), b"")).decode()
    except OSError:
        return ""


def test_the_words_of_slirp4netns() -> None:
    usual = helper_options.parse("bridge")
    assert usual.arguments == ("--mtu=65520", "--disable-host-loopback")
    assert usual.dns == "10.0.2.3" and not usual.passes_on
    said = helper_options.parse(
        "slirp4netns:mtu=1400,cidr=10.7.0.0/24,allow_host_loopback=true,enable_ipv6=true,"
        "outbound_addr=192.0.2.2,port_handler=rootlesskit"
    )
    assert said.arguments == ("--enable-ipv6", "--outbound-addr=192.0.2.2", "--mtu=1400",
                              "--cidr=10.7.0.0/24")  # fmt: skip
    assert said.dns == "10.7.0.3" and said.passes_on


def test_the_words_of_pasta() -> None:
    said = helper_options.parse("pasta:--map-gw,-T,8080")
    assert said.arguments == ("--map-gw", "-T", "8080")


@pytest.mark.parametrize(
    "text",
    ["x", "mtu=10", "mtu=x", "cidr=10.0.0.1/24", "cidr=fd00::/64", "cidr=10.0.0.0/30",
     "allow_host_loopback=yes", "port_handler=other", "outbound_addr="],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        helper_options.parse(f"slirp4netns:{text}")


def test_refused_by_the_command(user: Engine, root: Engine) -> None:
    assert "'x' is not known" in user.fails("create", "--network", "slirp4netns:x", "busybox")
    assert "bridges" in root.fails("create", "--network", "slirp4netns:mtu=1400", "busybox")


def test_addresses_and_mtu(user: Engine) -> None:
    port, other = free_port(), free_port()
    user.detached("--name", "a", "--network", "slirp4netns:cidr=10.7.0.0/24,mtu=1400", "-p",
                  f"127.0.0.1:{port}:80", *WEB)  # fmt: skip
    shown = user.ok("exec", "a", "sh", "-c", "ip addr show tap0; cat /etc/resolv.conf")
    assert "mtu 1400" in shown and "inet 10.7.0.100/24" in shown and "10.7.0.3" in shown
    assert wait_for(lambda: read(port)) == "hi\n"
    user.ok("port", "add", "a", f"{other}:80")
    assert read(other) == "hi\n" and read(other, "::1") == "hi\n"


@pytest.fixture
def page() -> Iterator[int]:
    """The port of a web server of the host's loopback."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("allowed", [False, True])
def test_the_hosts_loopback(user: Engine, page: int, allowed: bool) -> None:
    mode = f"slirp4netns:allow_host_loopback={str(allowed).lower()}"
    ask = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w2 10.0.2.2 {page}"
    out = user.run("run", "--rm", "--network", mode, "busybox", "sh", "-c", ask).out
    assert ("200 OK" in out) == allowed


def test_ports_that_the_monitor_passes_on(user: Engine) -> None:
    """As podman's port_handler=rootlesskit: clients have the container's own address."""
    port, other = free_port(), free_port()
    user.detached("--name", "a", "--network", "slirp4netns:port_handler=rootlesskit", "-p",
                  f"{port}:80", *WEB)  # fmt: skip
    assert wait_for(lambda: read(port)) == "hi\n" and read(port, "::1") == "hi\n"
    assert "address already in use" in (bound(port) or "")
    user.ok("port", "add", "a", f"127.0.0.1:{other}:80")
    assert read(other) == "hi\n"
    user.ok("port", "rm", "a", f"127.0.0.1:{other}:80")
    assert read(other) == "" and read(port) == "hi\n"


def bound(port: int) -> str | None:
    with socket.socket() as s:
        try:
            s.bind(("0.0.0.0", port))
        except OSError as e:
            return str(e).lower()
    return None


def test_arguments_of_pasta(user: Engine) -> None:
    shown = user.ok("run", "--rm", "--network", "pasta:--mtu,1400,-a,10.9.9.9", "busybox", "ip",
                    "addr", "show", "eth0")  # fmt: skip
    assert "mtu 1400" in shown and "inet 10.9.9.9/" in shown
    told = user.fails("run", "--rm", "--network", "pasta:--nonsense", "busybox", "true")
    assert "pasta" in told and "nonsense" in told
