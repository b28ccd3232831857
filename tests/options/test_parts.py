"""Texts of options as parts of a request."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crun_py.errors import InvalidArgument
from crun_py.model.container import Device, LogConfig, RestartPolicy, Security, Ulimit
from crun_py.options import environment, limits, parts

GOOD: list[tuple[Callable[..., object], tuple[object, ...], object]] = [
    (parts.words, ("/bin/sh",), ("/bin/sh",)),
    (parts.words, ('["a", "b c"]',), ("a", "b c")),
    (parts.words, ("[a",), ("[a",)),
    (parts.words, ("",), ()),
    (parts.words, ("[]",), ()),
    (parts.health_test, ("curl x",), ("CMD-SHELL", "curl x")),
    (parts.health_test, ('["a", "b"]',), ("CMD", "a", "b")),
    (parts.health_test, ('["CMD", "a"]',), ("CMD", "a")),
    (parts.health_test, ("None",), ("NONE",)),
    (parts.restart_policy, ("",), RestartPolicy()),
    (parts.restart_policy, ("always",), RestartPolicy(name="always")),
    (parts.restart_policy, ("on-failure:3",), RestartPolicy(name="on-failure", retries=3)),
    (parts.exposed_ports, ("80",), ("80/tcp",)),
    (parts.exposed_ports, ("80-82/UDP",), ("80/udp", "81/udp", "82/udp")),
    (parts.ulimit, ("nofile=1:2",), Ulimit(name="nofile", soft=1, hard=2)),
    (parts.ulimit, ("core=-1",), Ulimit(name="core", soft=-1, hard=-1)),
    (parts.ulimit, ("core=1:unlimited",), Ulimit(name="core", soft=1, hard=-1)),
    (parts.device, ("/dev/a",), Device(source="/dev/a", target="/dev/a")),
    (parts.device, ("/dev/a:/dev/b:r",), Device(source="/dev/a", target="/dev/b", access="r")),
    (parts.id_map, ("0:1000", "uid"), (0, 1000, 1)),
    (parts.id_map, ("0:1000:5", "uid"), (0, 1000, 5)),
    (parts.link, ("/db",), ("db", "db")),
    (parts.link, ("db:data",), ("db", "data")),
    (parts.log, ("local", ()), LogConfig()),
    (parts.log, ("k8s-file", ("max-size=1k", "max-file=2", "labels=a,b", "tag=x")),
     LogConfig(driver="k8s-file", max_bytes=1024, max_files=2, labels=("a", "b"), tag="x")),
    (parts.log, ("none", ("max-size=-1",)), LogConfig(driver="none", max_bytes=0)),
    (parts.security, ((),), Security()),
    (parts.security, (("no-new-privileges", "seccomp=unconfined", "mask=/a:/b"),),
     Security(no_new_privileges=True, seccomp="unconfined", mask=("/a", "/b"),
              options=("no-new-privileges", "seccomp=unconfined", "mask=/a:/b"))),
    (parts.security, (("systempaths=unconfined", "label=disable"),),
     Security(unmask=("ALL",), labels=("disable",),
              options=("systempaths=unconfined", "label=disable"))),
    (parts.security, (("label:type:t", "label=level:s0:c1,c2"),),
     Security(labels=("type:t", "level:s0:c1,c2"),
              options=("label:type:t", "label=level:s0:c1,c2"))),
    (limits.cpus, ("0.5",), 0.5),
    (limits.cpus, (None,), None),
    (limits.cpus, ("0",), None),
    (limits.size, ("64m", "x"), 64 << 20),
    (limits.size, ("-1", "x"), -1),
    (limits.size, (None, "x"), None),
    (limits.list_of_numbers, ("0-2,5", "x"), "0-2,5"),
    (limits.per_device, (("/dev/sda:1m",), "x"), {}),
    (limits.unified, (("memory.high=1G",),), {"memory.high": "1G"}),
    (environment.pairs, (("A=b", "C="), "x"), {"A": "b", "C": ""}),
    (environment.labels, (("A=b", "C"), "x"), {"A": "b", "C": ""}),
    (environment.variables, (("A=b", "C", "D", "P*", "A=c"), {"C": "own", "P1": "1", "P2": "2"}),
     {"A": "c", "C": "own", "D": None, "P1": "1", "P2": "2"}),
    (environment.proxies, ({"HTTP_PROXY": "a", "no_proxy": "b", "x": "y"},),
     {"HTTP_PROXY": "a", "no_proxy": "b"}),
]  # fmt: skip


@pytest.mark.parametrize(("act", "given", "expected"), GOOD)
def test_good(act: Callable[..., object], given: tuple[object, ...], expected: object) -> None:
    if act is limits.per_device:
        assert limits.per_device(("/dev/sda:1m",), "x", sizes=True) == {"/dev/sda": 1 << 20}
        assert limits.per_device(("/dev/sda:100",), "x", sizes=False) == {"/dev/sda": 100}
        return
    assert act(*given) == expected


BAD: list[tuple[Callable[..., object], tuple[object, ...]]] = [
    (parts.restart_policy, ("sometimes",)),
    (parts.restart_policy, ("always:3",)),
    (parts.restart_policy, ("on-failure:x",)),
    (parts.exposed_ports, ("0",)),
    (parts.exposed_ports, ("90-80",)),
    (parts.exposed_ports, ("65536",)),
    (parts.exposed_ports, ("x",)),
    (parts.ulimit, ("nofile",)),
    (parts.ulimit, ("nofiles=1",)),
    (parts.ulimit, ("nofile=2:1",)),
    (parts.ulimit, ("nofile=-1:1",)),
    (parts.ulimit, ("nofile=x",)),
    (parts.id_map, ("0", "uid")),
    (parts.id_map, ("0:0:0", "uid")),
    (parts.id_map, ("0:4294967295:1", "uid")),
    (parts.id_map, ("a:0:1", "uid")),
    (parts.link, (":x",)),
    (parts.link, ("a:b c",)),
    (parts.log, ("syslog", ())),
    (parts.log, ("none", ("max-file=0",))),
    (parts.log, ("none", ("nope=1",))),
    (parts.security, (("nope",),)),
    (parts.security, (("seccomp=",),)),
    (parts.security, (("label=maybe",),)),
    (parts.security, (("label=level:",),)),
    (limits.cpus, ("",)),
    (limits.cpus, ("1e3",)),
    (limits.list_of_numbers, ("", "x")),
    (limits.list_of_numbers, ("2-1", "x")),
    (limits.list_of_numbers, ("1,,2", "x")),
    (limits.unified, (("memory",),)),
    (limits.unified, (("../x.y=1",),)),
    (environment.pairs, (("A",), "x")),
    (environment.labels, (("=b",), "x")),
    (environment.variables, (("=b",), {})),
    (environment.variables, (("A\0=b",), {})),
]


@pytest.mark.parametrize(("act", "given"), BAD)
def test_bad(act: Callable[..., object], given: tuple[object, ...]) -> None:
    with pytest.raises(InvalidArgument):
        act(*given)


@pytest.mark.parametrize(
    ("value", "on"),
    [("", True), ("=true", True), (":true", True), ("=1", True), ("=T", True), ("=False", False),
     ("=0", False), (":f", False)],
)  # fmt: skip
def test_no_new_privileges_as_go_reads_it(value: str, on: bool) -> None:
    assert parts.security((f"no-new-privileges{value}",)).no_new_privileges is on


@pytest.mark.parametrize(
    "option",
    ["no-new-privileges=yes", "no-new-privileges=maybe", "systempaths=foo", "systempaths",
     "mask=relative", "unmask=/proc/keys:relative"],
)  # fmt: skip
def test_security_options_that_mean_nothing(option: str) -> None:
    """One that is passed over would leave a container with less than it was asked for."""
    with pytest.raises(InvalidArgument, match="security option"):
        parts.security((option,))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("/dev/x:r", ("/dev/x", "/dev/x", "r")), ("/dev/x:/dev/y", ("/dev/x", "/dev/y", "")),
     ("/dev/x:/dev/y:rw", ("/dev/x", "/dev/y", "rw")), ("/dev/x", ("/dev/x", "/dev/x", ""))],
)  # fmt: skip
def test_a_device(text: str, wanted: tuple[str, str, str]) -> None:
    found = parts.device(text)
    assert (found.source, found.target, found.access) == wanted
