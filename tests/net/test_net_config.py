"""crun_py.net.config, ipam and ip: names, subnets, addresses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netns
import pytest

from crun_py.errors import Conflict, CorruptState, InvalidArgument, NotFound
from crun_py.model.network import Network, NetworkRequest, Subnet
from crun_py.net import config, ip, ipam
from crun_py.paths import Paths

pytestmark = netns.needs_root


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    with netns.private_network():
        yield netns.store(tmp_path)


def create(
    paths: Paths, name: str, subnet: str = "", gateway: str = "", **asked: Any
) -> Network:  # fmt: skip
    subnets = (Subnet(subnet, gateway),) if subnet else ()
    return config.create(paths, NetworkRequest(name=name, subnets=subnets, **asked))


def subnet_of(network: Network) -> str:
    return network.subnets[0].subnet


def test_ip() -> None:
    assert ip.text(ip.number("10.88.0.1")) == "10.88.0.1"
    assert ip.text(ip.number("fd00:0::1"), ip.IPv6) == "fd00::1"
    assert ip.subnet("10.88.0.0/16") == (0x0A580000, 16, ip.IPv4)
    assert ip.subnet("fd00::/8") == (0xFD << 120, 8, ip.IPv6)
    assert ip.overlap((0x0A580000, 16, 32), (0x0A000000, 8, 32))
    assert not ip.overlap((0x0A580000, 16, 32), (0x0A590000, 16, 32))
    assert not ip.overlap((0, 0, 32), (0, 0, 128))
    assert ip.contains(ip.subnet("fd00::/64"), "fd00::5")
    assert not ip.contains(ip.subnet("fd00::/64"), "10.0.0.1")
    for bad in ("", "1", "1.2.3", "1.2.3.256", "01.2.3.4", " 1.2.3.4", "1.2.3.4 ", "é", "::g"):
        with pytest.raises(InvalidArgument):
            ip.number(bad)
    for bad in ("", "10.88.0.0", "10.88.0.0/33", "10.88.0.0/x", "fd00::/129", "10.88.0.0/-1"):
        with pytest.raises(InvalidArgument):
            ip.subnet(bad)
    with pytest.raises(InvalidArgument, match="host bits") as e:
        ip.subnet("10.88.0.1/16")
    assert "10.88.0.0/16" in e.value.hint


def test_default_network_of_the_default_store(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DEFAULT_ROOT", paths.root)
    assert config.every(paths) == []
    network = config.load(paths)
    assert (network.name, *network.subnets) == (
        "bridge",
        Subnet("10.88.0.0/16", "10.88.0.1"),
    )
    assert (network.interface, network.table, network.driver) == ("crunpy0", "crunpy", "bridge")
    assert config.load(paths) == network
    second = create(paths, "back")
    assert (subnet_of(second), second.interface) == ("10.89.0.0/24", "crunpy1")
    assert [n.name for n in config.every(paths)] == ["back", "bridge"]
    config.remove(paths, "back")
    with pytest.raises(NotFound):
        config.remove(paths, "back")
    with pytest.raises(NotFound):
        config.load(paths, "back")


def test_subnet_that_the_host_routes_is_avoided(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DEFAULT_ROOT", paths.root)
    netns.sh("ip link add x type veth peer name y; ip link set x up; ip link set y up")
    netns.sh("ip addr add 10.88.3.1/24 dev x")
    assert subnet_of(config.load(paths)) == "10.89.0.0/16"
    netns.sh("ip route add 10.0.0.0/8 dev x")
    assert subnet_of(create(paths, "other")) == "192.168.100.0/24"


def test_create_refuses(paths: Paths) -> None:
    create(paths, "a", "10.7.0.0/24", mtu=1400, labels={"k": "v"})
    with pytest.raises(Conflict):
        create(paths, "a")
    with pytest.raises(Conflict):
        create(paths, "b", "10.7.0.0/25")
    assert create(paths, "c", "10.8.0.0/24", "10.8.0.254").subnets[0].gateway == "10.8.0.254"
    for arguments in (
        ("d", "10.9.0.0/30"),
        ("d", "10.9.0.0/24", "10.10.0.1"),
        ("d", "10.9.0.0/24", "10.9.0.255"),
        ("host",),
        ("../x",),
        (".x",),
        ("",),
        ("a b",),
        ("é",),
    ):
        with pytest.raises(InvalidArgument):
            create(paths, *arguments)
    with pytest.raises(InvalidArgument):
        create(paths, "d", mtu=10)


def test_corrupt_file_is_named(paths: Paths) -> None:
    config.load(paths)
    Path(paths.networks, "bridge.json").write_text("{}")
    with pytest.raises(CorruptState, match=r"bridge\.json"):
        config.load(paths)


def test_addresses_go_round(paths: Paths) -> None:
    network = create(paths, "tiny", "10.7.0.0/29")
    got = [ipam.allocate(paths, network, f"c{n}") for n in range(5)]
    assert got == [f"10.7.0.{n}" for n in range(2, 7)]
    assert ipam.allocate(paths, network, "c0") == "10.7.0.2", "the same again"
    with pytest.raises(Conflict, match="no free address"):
        ipam.allocate(paths, network, "c5")
    ipam.release(paths, "tiny", "c0")
    ipam.release(paths, "tiny", "c0")
    ipam.release(paths, "tiny", "c3")
    assert ipam.allocate(paths, network, "c6") == "10.7.0.2"
    ipam.release(paths, "tiny", "c6")
    assert ipam.allocate(paths, network, "c7") == "10.7.0.5", "not what was just freed"


def test_addresses_of_the_dead_come_back_when_short(paths: Paths) -> None:
    network = create(paths, "tiny", "10.7.0.0/29")
    for n in range(5):
        ipam.allocate(paths, network, f"c{n}", alive=lambda _: pytest.fail("asked early"))
    assert ipam.allocate(paths, network, "new", alive=lambda c: c != "c2") == "10.7.0.4"
    with pytest.raises(Conflict):
        ipam.allocate(paths, network, "newer", alive=lambda _: True)


def test_wanted_address(paths: Paths) -> None:
    network = create(paths, "n", "10.7.0.0/24")
    assert ipam.allocate(paths, network, "a", "10.7.0.9") == "10.7.0.9"
    with pytest.raises(Conflict, match=r"10\.7\.0\.9"):
        ipam.allocate(paths, network, "b", "10.7.0.9", lambda _: True)
    assert ipam.allocate(paths, network, "b", "10.7.0.9", lambda _: False) == "10.7.0.9"
    assert ipam.allocate(paths, network, "b", "10.7.0.10") == "10.7.0.10", "moved"
    assert ipam._read(paths, "n")[0] == {"10.7.0.10": "b"}
    for bad in ("10.7.0.0", "10.7.0.1", "10.7.0.255", "10.8.0.1", "x"):
        with pytest.raises(InvalidArgument):
            ipam.allocate(paths, network, "c", bad)


def test_release_without_any(paths: Paths) -> None:
    ipam.release(paths, "n", "c")
    Path(paths.run, "networks").mkdir(parents=True)
    Path(paths.run, "networks/n.json").write_text('{"schema": 9}')
    with pytest.raises(CorruptState, match=r"n\.json"):
        ipam.release(paths, "n", "c")
