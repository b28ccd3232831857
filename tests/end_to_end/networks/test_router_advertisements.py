"""A neighbour's router advertisement does not reroute a container (CVE-2020-13401)."""

from __future__ import annotations

import json
import socket
import struct
import time

from engine import Engine

SHOW = (
    "for d in /proc/sys/net/ipv6/conf/*; do n=${d##*/}; "
    "[ $n = lo ] || echo $n $(cat $d/accept_ra) $(cat $d/autoconf) $(cat $d/accept_redirects); done"
)


def settings(engine: Engine, *options: str) -> dict[str, list[str]]:
    out = engine.ok("run", "--rm", *options, "busybox", "sh", "-c", SHOW)
    return {line.split()[0]: line.split()[1:] for line in out.split("\n")}


def test_no_interface_listens(engine: Engine) -> None:
    """Also where IPv6 is off now: who turns it on inside would get them all at once."""
    found = settings(engine)
    assert found.keys() - {"all", "default"}
    assert {n: row[0] for n, row in found.items() if row[0] != "0" and n != "all"} == {}


def advertisement(source: bytes) -> bytes:
    """An Ethernet frame: fe80::bad is the default router, 2001:db8:bad::/64 the prefix."""
    own, everybody = (socket.inet_pton(socket.AF_INET6, a) for a in ("fe80::bad", "ff02::1"))
    prefix = socket.inet_pton(socket.AF_INET6, "2001:db8:bad::")
    options = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 7200, 3600, 0) + prefix
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + options
    words = own + everybody + struct.pack("!II", len(message), 58) + message
    total = sum(struct.unpack(f"!{len(words) // 2}H", words))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    ip = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + own + everybody
    return b"\x33\x33\0\0\0\1" + source + b"\x86\xdd" + ip + message


def test_an_advertisement_changes_nothing(root: Engine) -> None:
    """The container uses IPv6 on its own interface; the neighbour claims to be its router."""
    root.detached(
        "--network", "bridge", "--name", "c", "--sysctl", "net.ipv6.conf.all.disable_ipv6=0",
        "--sysctl", "net.ipv6.conf.default.disable_ipv6=0", "busybox", "sleep", "1000",
    )  # fmt: skip
    turn_on = "mount -o remount,rw /proc/sys; echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6"
    root.ok("exec", "--privileged", "c", "sh", "-c", turn_on)
    bridge = json.loads((root.root / "networks/bridge.json").read_text())["interface"]
    time.sleep(2)  # the address is the interface's own once nobody else has it
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((bridge, 0))
        for _ in range(3):
            raw.send(advertisement(b"\x02\0\0\0\x0b\xad"))
            time.sleep(0.2)
    routes = root.ok("exec", "c", "sh", "-c", "cat /proc/net/ipv6_route; cat /proc/net/if_inet6")
    assert "20010db80bad" not in routes and "fe800000000000000000000000000bad" not in routes, routes
