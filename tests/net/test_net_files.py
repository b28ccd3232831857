"""crun_py.net.files: hosts, resolv.conf, hostname."""

from __future__ import annotations

import pytest

from crun_py.errors import InvalidArgument
from crun_py.net import files

HOST = b"""# made by something
domain old.example
search a.example b.example
nameserver 127.0.0.53
nameserver 192.0.2.53
nameserver ::1
nameserver fe80::1%eth0
nameserver 2001:db8::53
options edns0 trust-ad
"""


def test_hosts() -> None:
    text = files.hosts(
        [("10.88.0.2", ["abc", "web"])],
        ["db:192.0.2.1", "gw:host-gateway", "six:[2001:db8::1]", "eq=192.0.2.2", "a;b:192.0.2.3"],
        "10.88.0.1",
    ).decode()
    lines = text.splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert "ff02::1\tip6-allnodes" in lines
    assert lines[6:] == [
        "192.0.2.1\tdb",
        "10.88.0.1\tgw",
        "2001:db8::1\tsix",
        "192.0.2.2\teq",
        "192.0.2.3\ta b",
        "10.88.0.1\thost.containers.internal host.docker.internal",
        "10.88.0.2\tabc web",
    ]
    mine = files.hosts([], ["host.docker.internal:192.0.2.9"], "10.88.0.1").decode()
    assert mine.count("host.docker.internal") == 1


@pytest.mark.parametrize(
    "spec",
    [
        *(
            "",
            "x",
            ":1.2.3.4",
            "x:",
            "x y:1.2.3.4",
            "x:1.2.3.4\n5.6.7.8 y",
            "x\ty:1.2.3.4",
            "x:1.2.3",
        ),
        *("x\n:1.2.3.4", "x:1.2.3.4 y", "x#:1.2.3.4", "-x:1.2.3.4", "x;:1.2.3.4", "x:host-gateway"),
    ],
)
def test_hosts_refuses(spec: str) -> None:
    with pytest.raises(InvalidArgument):
        files.hosts([], [spec])


def test_resolv_conf_drops_what_the_container_cannot_reach() -> None:
    assert files.resolv_conf(HOST) == (
        b"search a.example b.example\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n"
        b"options edns0 trust-ad\n"
    )
    assert files.resolv_conf(b"") == b"nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
    assert files.resolv_conf(b"nameserver 127.0.0.1") == files.resolv_conf(b"")


def test_resolv_conf_options_win() -> None:
    assert files.resolv_conf(HOST, servers=["1.1.1.1"], search=["."], options=["ndots:2"]) == (
        b"nameserver 1.1.1.1\noptions ndots:2\n"
    )
    assert files.resolv_conf(HOST, own_network=False) == HOST
    assert b"127.0.0.53" in files.resolv_conf(HOST, own_network=False, search=["c.example"])
    for wrong in (
        {"servers": ["one.one.one.one"]},
        {"servers": ["1.1.1.1\nsearch x"]},
        {"search": ["a b"]},
        {"options": ["a\nb"]},
        {"options": [""]},
    ):
        with pytest.raises(InvalidArgument):
            files.resolv_conf(HOST, **wrong)


def test_hostname() -> None:
    assert files.hostname("web-1") == b"web-1\n"
    for bad in ("", "a b", "a\nb", "x" * 65, "-a", "a..b", "ü"):
        with pytest.raises(InvalidArgument):
            files.hostname(bad)
