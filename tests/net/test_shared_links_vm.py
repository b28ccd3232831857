"""macvlan, ipvlan and VLANs of bridges, where the kernel has them (tests/vm/README.md)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine
from machine import COMMAND, in_vm

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
]

HOST = """
set -eu
mkdir -p $TMPDIR/s/root
cp -r {store}/images {store}/layers $TMPDIR/s/root/
export CRUNPY_ROOT=$TMPDIR/s/root CRUNPY_RUNROOT=$TMPDIR/s/run
crunpy() { {COMMAND} "$@"; }
# beyond the parent is another machine
ip link add $PARENT type veth peer name far0
ip netns add far
ip link set far0 netns far
ip -n far link set far0 up
ip -n far addr add 10.44.0.1/24 dev far0
ip -n far addr add fd00:44::1/64 dev far0 nodad
ip link set $PARENT up
for name in dum0 dum1; do ip link add $name type dummy; ip link set $name up; done
about='ip -o addr show dev eth0 | sed -n "s/.*\\(inet6* [^ ]*\\).*/\\1/p" | grep -v fe80
    ip route | sed -n "s/^default.*via \\([^ ]*\\).*/via \\1/p"'
"""

MACVLAN = """
crunpy network create -d macvlan -o parent=$PARENT --subnet 10.44.0.0/24 --gateway 10.44.0.1 \
    --subnet fd00:44::/64 mac > /dev/null
crunpy run -d --name a --network mac --ip 10.44.0.77 --ip6 fd00:44::77 \
    --mac-address 02:00:00:00:00:77 busybox sleep 1000 > /dev/null
crunpy run --rm --network mac busybox sh -c "$about"'
    for who in a 10.44.0.77 fd00:44::77 10.44.0.1; do
        ping -q -c1 -W5 $who > /dev/null && echo reaches $who || echo does not reach $who
    done'
ip netns exec far busybox ping -q -c1 -W5 10.44.0.77 > /dev/null && echo far reaches a
ip -n far neigh show 10.44.0.77 | cut -d' ' -f5
ip addr add 10.44.0.3/24 dev $PARENT
busybox ping -q -c1 -W5 10.44.0.1 > /dev/null && echo the host reaches far
busybox ping -q -c1 -W1 10.44.0.77 > /dev/null || echo the host does not reach a
"""
MACVLAN_EXPECTED = """
inet 10.44.0.2/24
inet6 fd00:44::2/64
via 10.44.0.1
reaches a
reaches 10.44.0.77
reaches fd00:44::77
reaches 10.44.0.1
far reaches a
02:00:00:00:00:77
the host reaches far
the host does not reach a
"""

IPVLAN = """
for mode in l2 l3; do
    crunpy network create -d ipvlan -o parent=dum$((${mode#l} - 2)) -o mode=$mode \
        --subnet 10.4${mode#l}.0.0/24 $mode > /dev/null
    crunpy run -d --name a$mode --network $mode --ip 10.4${mode#l}.0.77 busybox sleep 1000 \
        > /dev/null
    crunpy run --rm --network $mode --env MODE=$mode busybox sh -c "$about"'
        for who in a$MODE 10.4${MODE#l}.0.77; do
            ping -q -c1 -W5 $who > /dev/null && echo reaches $who || echo does not reach $who
        done'
done
"""
IPVLAN_EXPECTED = """
inet 10.42.0.2/24
via 10.42.0.1
reaches al2
reaches 10.42.0.77
inet 10.43.0.2/24
via 10.43.0.1
reaches al3
reaches 10.43.0.77
"""

# what a container's interface is called, too, and most machines' first one
SAME_NAME = """
ip link set dum0 down
ip link set dum0 name eth1
ip link set eth1 up
crunpy network create -d macvlan -o parent=eth0 --subnet 10.44.0.0/24 mac > /dev/null
crunpy network create -d ipvlan -o parent=eth1 --subnet 10.42.0.0/24 l2 > /dev/null
crunpy run --rm --network mac busybox sh -c "$about" 2>&1 || true
crunpy run --rm --network l2:interface_name=eth1 busybox ls /sys/class/net 2>&1 || true
ip -br link | sed 's,[ @].*,,'
"""
SAME_NAME_EXPECTED = """
inet 10.44.0.2/24
via 10.44.0.1
eth1
lo
lo
eth0
eth1
dum1
"""

# a bridge of the host's own, and one of ours whose ports are all in a VLAN
VLAN = """
ip link add mine0 type bridge vlan_filtering 1
ip link set mine0 up
for name in ten more twenty; do
    case $name in twenty) number=20;; *) number=10;; esac
    crunpy network create -o mode=unmanaged -o vlan=$number --interface-name mine0 $name > /dev/null
    crunpy run -d --network $name --name $name --cap-add NET_ADMIN busybox sleep 1000 > /dev/null
    crunpy exec $name ip route replace 10.0.0.0/8 dev eth0
done
at() { crunpy inspect -f "{{.NetworkSettings.Networks.$1.IPAddress}}" $1; }
for who in more twenty; do
    crunpy exec ten ping -q -c1 -W2 $(at $who) > /dev/null && echo ten reaches $who || \
        echo ten does not reach $who
done
crunpy network create -o vlan=7 tagged > /dev/null
crunpy run -d --network tagged --name tagged busybox sleep 1000 > /dev/null
crunpy run --rm --network tagged busybox ping -q -c1 -W5 tagged > /dev/null && echo tagged
busybox ping -q -c1 -W5 $(at tagged) > /dev/null && echo host reaches tagged
"""
VLAN_EXPECTED = """
ten reaches more
ten does not reach twenty
tagged
host reaches tagged
"""

END = """
crunpy rm -f -t 0 -a > /dev/null
crunpy network prune -f > /dev/null
sleep 1
ip -o link | grep -c "@$PARENT\\|@dum" || true
cat $CRUNPY_RUNROOT/networks/*.json 2> /dev/null || true
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    """Where the guest finds its script."""
    path = base / "vm-shared-links"
    path.mkdir()
    yield path
    shutil.rmtree(path)


def run(engine: Engine, work: Path, parent: str, script: str) -> list[str]:
    """What the guest prints."""
    engine.run("pull", "-q", "busybox", check=True)
    host = HOST.replace("{store}", str(engine.root)).replace("{COMMAND}", COMMAND)
    return in_vm(f"PARENT={parent}\n{host}{script}", work)


def test_containers_on_interfaces_of_the_host(fresh: Callable[[str], Engine], work: Path) -> None:
    lines = run(fresh("root"), work, "par0", MACVLAN + IPVLAN + VLAN + END)
    expected = MACVLAN_EXPECTED + IPVLAN_EXPECTED[1:] + VLAN_EXPECTED[1:]
    assert lines == (expected + "0\n").split("\n")[1:-1]


def test_an_interface_with_the_name_of_the_containers(
    fresh: Callable[[str], Engine], work: Path
) -> None:
    lines = run(fresh("root"), work, "eth0", SAME_NAME)
    assert lines == SAME_NAME_EXPECTED.split("\n")[1:-1]
