"""crun_py.net.ports: the forms of -p, and holding ports."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import netns
import pytest

from crun_py.errors import Conflict, CrunpyError, InvalidArgument, Unsupported
from crun_py.model.network import PortMapping
from crun_py.net import ports
from crun_py.record import from_json, to_json

pytestmark = netns.needs_root


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    with netns.private_network():
        yield


def port(ip: str, host: int, inside: int, protocol: str = "tcp", last: int = 0) -> PortMapping:
    return PortMapping(
        container_port=inside, host_port=host, host_ip=ip, protocol=protocol, host_last=last
    )


def reserve(*specs: str) -> tuple[list[int], list[PortMapping]]:
    return ports.reserve([one for spec in specs for one in ports.parse(spec)])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("80", [port("", 0, 80)]),
        ("8080:80", [port("", 8080, 80)]),
        ("8080:80/UDP", [port("", 8080, 80, "udp")]),
        ("8080:80/sctp", [port("", 8080, 80, "sctp")]),
        ("127.0.0.1:8080:80", [port("127.0.0.1", 8080, 80)]),
        ("0.0.0.0:8080:80", [port("0.0.0.0", 8080, 80)]),
        ("127.0.0.1::80", [port("127.0.0.1", 0, 80)]),
        (":80", [port("", 0, 80)]),
        ("0:80", [port("", 0, 80)]),
        ("8000-8002:80-82", [port("", 8000 + n, 80 + n) for n in range(3)]),
        ("80-81/udp", [port("", 0, 80, "udp"), port("", 0, 81, "udp")]),
        ("8000-8010:80", [port("", 8000, 80, "tcp", 8010)]),
    ],
)
def test_forms(spec: str, expected: list[PortMapping]) -> None:
    assert ports.parse(spec) == expected
    assert [from_json(PortMapping, to_json(one)) for one in expected] == expected


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


def test_addresses_of_ipv6() -> None:
    (port,) = ports.parse("[fd00:0::1]:8080:80")
    assert (port.host_ip, port.host_port, port.container_port) == ("fd00::1", 8080, 80)
    (port,) = ports.parse("[::]::80/udp")
    assert (port.host_ip, port.host_port, port.protocol) == ("::", 0, "udp")
    with pytest.raises(Unsupported, match="::1"):
        ports.parse("[::1]:8080:80/udp")
    for bad in ("[::", "[::]", "[::]80", "[1.2.3.4]:80:80", "[x::]:80:80", "[::]:1:2:3"):
        with pytest.raises(InvalidArgument):
            ports.parse(bad)


def test_ipv6_is_reserved_beside_ipv4() -> None:
    held, _ = reserve("[::]:8080:80")
    more, _ = reserve("8080:80")
    with pytest.raises(Conflict, match="already in use"):
        reserve("[::]:8080:80")
    for fd in (*held, *more):
        os.close(fd)


def test_reserved_ports_are_held_but_not_served() -> None:
    held, _ = reserve("8080:80", "127.0.0.1:53:53/udp")
    for spec in ("8080:1", "127.0.0.1:8080:1", "53:53/udp", "8080-8080:80"):
        with pytest.raises(Conflict, match="already in use"):
            reserve(spec)
    with socket.socket() as other, pytest.raises(OSError):
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 8080))
    with pytest.raises(ConnectionRefusedError):
        netns.ask("127.0.0.1", 8080)
    assert not any(os.get_inheritable(fd) for fd in held)
    for fd in held:
        os.close(fd)
    for fd in reserve("8080:80")[0]:
        os.close(fd)


def test_conflict_names_the_port_and_frees_the_others() -> None:
    with socket.socket() as other:
        other.bind(("", 9001))
        other.listen()
        with pytest.raises(Conflict, match="port 9001/tcp is already in use"):
            reserve("9000-9002:9000-9002")
    for fd in reserve("9000-9002:9000-9002")[0]:
        os.close(fd)


def test_free_ports_are_chosen() -> None:
    held, found = reserve("80", "81/udp", "82/sctp", "9000-9001:80", "9000-9001:80")
    assert [one.host_port for one in found[3:]] == [9000, 9001]
    assert len({one.host_port for one in found}) == 5 and all(p.host_port for p in found)
    assert not any(one.host_last for one in found)
    with pytest.raises(Conflict, match="9000-9001"):
        reserve("9000-9001:80")
    for fd in held:
        os.close(fd)


def test_address_that_is_not_ours() -> None:
    with pytest.raises(InvalidArgument, match=r"198\.51\.100\.1 is not an address"):
        reserve("198.51.100.1:8080:80")


def test_sctp_conflicts_whether_or_not_the_kernel_has_it() -> None:
    held, _ = reserve("7000:7000/sctp")
    with pytest.raises(CrunpyError, match="7000/sctp is already in use"):
        reserve("7000:7000/sctp")
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
    held, _ = reserve("9005:80")
    with socket.socket() as other, pytest.raises(OSError):
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 9005))
    with pytest.raises(Conflict):
        reserve("9005:80")
    os.close(held[0])
