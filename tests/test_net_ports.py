"""crun_py.net.ports: the forms of -p, and holding ports."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from crun_py.errors import Conflict, CrunpyError, InvalidArgument, Unsupported
from crun_py.net import ports
from crun_py.net.ports import Port
from tests import netns

pytestmark = netns.needs_root


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    with netns.private_network():
        yield


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("80", [Port("", 0, 80)]),
        ("8080:80", [Port("", 8080, 80)]),
        ("8080:80/UDP", [Port("", 8080, 80, "udp")]),
        ("8080:80/sctp", [Port("", 8080, 80, "sctp")]),
        ("127.0.0.1:8080:80", [Port("127.0.0.1", 8080, 80)]),
        ("0.0.0.0:8080:80", [Port("", 8080, 80)]),
        ("127.0.0.1::80", [Port("127.0.0.1", 0, 80)]),
        (":80", [Port("", 0, 80)]),
        ("0:80", [Port("", 0, 80)]),
        ("8000-8002:80-82", [Port("", 8000 + n, 80 + n) for n in range(3)]),
        ("80-81/udp", [Port("", 0, 80, "udp"), Port("", 0, 81, "udp")]),
        ("8000-8010:80", [Port("", 8000, 80, "tcp", 8010)]),
    ],
)
def test_forms(spec: str, expected: list[Port]) -> None:
    assert ports.parse(spec) == expected
    assert [Port.from_dict(port.as_dict()) for port in expected] == expected


@pytest.mark.parametrize(
    "spec",
    [
        *("", ":", "x", "80:", "80/", "80/icmp", "0", "65536", "-1", "1:2:3:4", "a:80:80"),
        *("8000-8001:80-82", "8010-8000:80", "80-", "0-10:80", "8080:0", "999999", "8080:80:"),
        *("1.2.3:80:80", " 80", "\uff18\uff10", "+80", "8080;80"),
    ],
)
def test_malformed(spec: str) -> None:
    with pytest.raises(InvalidArgument):
        ports.parse(spec)


def test_ipv6_is_named_as_such() -> None:
    with pytest.raises(Unsupported, match="IPv6"):
        ports.parse("[::1]:8080:80")


def test_reserved_ports_are_held_but_not_served() -> None:
    held = ports.reserve(ports.parse("8080:80") + ports.parse("127.0.0.1:53:53/udp"))
    for port in ("8080:1", "127.0.0.1:8080:1", "53:53/udp", "8080-8080:80"):
        with pytest.raises(Conflict, match="already in use"):
            ports.reserve(ports.parse(port))
    with socket.socket() as other, pytest.raises(OSError):
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 8080))
    with pytest.raises(ConnectionRefusedError):
        netns.ask("127.0.0.1", 8080)
    assert not any(os.get_inheritable(fd) for fd in held)
    for fd in held:
        os.close(fd)
    for fd in ports.reserve(ports.parse("8080:80")):
        os.close(fd)


def test_conflict_names_the_port_and_frees_the_others() -> None:
    with socket.socket() as other:
        other.bind(("", 9001))
        other.listen()
        with pytest.raises(Conflict, match="port 9001/tcp is already in use"):
            ports.reserve(ports.parse("9000-9002:9000-9002"))
    for fd in ports.reserve(ports.parse("9000-9002:9000-9002")):
        os.close(fd)


def test_free_ports_are_chosen() -> None:
    wanted = ports.parse("80") + ports.parse("81/udp") + ports.parse("82/sctp")
    wanted += ports.parse("9000-9001:80") + ports.parse("9000-9001:80")
    held = ports.reserve(wanted)
    assert [port.host_port for port in wanted[3:]] == [9000, 9001]
    assert len({port.host_port for port in wanted}) == 5 and all(p.host_port for p in wanted)
    assert not any(port.host_last for port in wanted)
    with pytest.raises(Conflict, match="9000-9001"):
        ports.reserve(ports.parse("9000-9001:80"))
    for fd in held:
        os.close(fd)


def test_address_that_is_not_ours() -> None:
    with pytest.raises(InvalidArgument, match=r"198\.51\.100\.1 is not an address"):
        ports.reserve(ports.parse("198.51.100.1:8080:80"))


def test_sctp_conflicts_whether_or_not_the_kernel_has_it() -> None:
    held = ports.reserve(ports.parse("7000:7000/sctp"))
    with pytest.raises(CrunpyError, match="7000/sctp is already in use"):
        ports.reserve(ports.parse("7000:7000/sctp"))
    os.close(held[0])


def test_connections_in_time_wait_do_not_hinder() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 9005))
        server.listen()
        with socket.create_connection(("127.0.0.1", 9005)) as client:
            server.accept()[0].close()
            client.recv(1)
    assert "TIME-WAIT" in netns.sh("ss -tan")
    held = ports.reserve(ports.parse("9005:80"))
    with socket.socket() as other, pytest.raises(OSError):
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 9005))
    with pytest.raises(Conflict):
        ports.reserve(ports.parse("9005:80"))
    os.close(held[0])
