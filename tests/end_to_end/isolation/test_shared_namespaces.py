"""Namespaces of another container: who may join which, and what says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine

JOIN = ("run", "--rm", "--network", "none")


@pytest.fixture(scope="module", params=["root", "user"])
def several(
    request: pytest.FixtureRequest, new_engine: Callable[[str, str], Engine]
) -> Iterator[Engine]:
    """Containers with all kinds of IPC namespaces: default, private, shareable, host, none."""
    engine = new_engine(request.param, "n")
    engine.ok("pull", "-q", "busybox")
    engine.detached("--name", "default", "busybox", "sleep", "1000")
    for mode in ("private", "shareable", "host", "none"):
        engine.detached("--name", mode, "--ipc", mode, "busybox", "sleep", "1000")
    yield engine
    engine.clean()


def namespace(engine: Engine, name: str, kind: str) -> str:
    return str(Path(f"/proc/{engine.pids(engine.inspect(name)['Id'])[1]}/ns/{kind}").readlink())


@pytest.mark.parametrize("name", ["default", "private", "none"])
def test_private_ones_are_refused(several: Engine, name: str) -> None:
    for verb in ("run", "create"):
        message = several.fails(verb, "--network", "none", "--ipc", f"container:{name}",
                                "busybox", "true")  # fmt: skip
        assert name in message and "shareable" in message, message
    assert len(several.ps("-a")) == 5


def test_shareable_ones_are_joined(several: Engine) -> None:
    seen = several.ok(*JOIN, "--ipc", "container:shareable", "busybox", "readlink",
                      "/proc/self/ns/ipc")  # fmt: skip
    assert seen == namespace(several, "shareable", "ipc")
    several.ok("exec", "shareable", "sh", "-c", "echo 1 > /dev/shm/x")
    assert several.ok(*JOIN, "--ipc", "container:shareable", "busybox", "cat", "/dev/shm/x") == "1"


def test_one_with_the_hosts(several: Engine) -> None:
    seen = several.ok(*JOIN, "--ipc", "container:host", "busybox", "readlink", "/proc/self/ns/ipc")
    assert seen == str(Path("/proc/self/ns/ipc").readlink())


def test_modes_as_docker_shows_them(several: Engine) -> None:
    shown = {name: several.inspect(name)["HostConfig"]["IpcMode"] for name in several.ps()}
    assert shown == {"default": "private", "private": "private", "shareable": "shareable",
                     "host": "host", "none": "none"}  # fmt: skip


@pytest.mark.parametrize("kind,file", [("pid", "pid"), ("uts", "uts"), ("cgroupns", "cgroup")])
def test_others_are_always_joined(several: Engine, kind: str, file: str) -> None:
    """Nobody says `shareable` for them."""
    seen = several.ok(*JOIN, f"--{kind}", "container:default", "busybox", "readlink",
                      f"/proc/self/ns/{file}")  # fmt: skip
    assert seen == namespace(several, "default", file)


def test_the_hosts_cgroups(engine: Engine) -> None:
    """Its own mount of them is seen, to look at."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    place = next((m[4] for m in mounts if m[m.index("-") + 1] == "cgroup2"), None)
    assert place, "this host has no cgroup2"
    script = "stat -c %d:%i /sys/fs/cgroup; mkdir /sys/fs/cgroup/x; true"
    done = engine.run("run", "--rm", "--network", "none", "--cgroupns", "host", "busybox",
                      "sh", "-c", script)  # fmt: skip
    found = os.stat(place)
    assert done.out.strip() == f"{found.st_dev}:{found.st_ino}" and "Read-only" in done.err


@pytest.mark.parametrize("kind", ["ipc", "pid", "uts", "cgroupns", "userns"])
def test_words_for_what_cannot_be_joined(several: Engine, kind: str) -> None:
    for name in ("", "nosuch", "../x"):
        message = several.fails(*JOIN, f"--{kind}", f"container:{name}", "busybox", "true")
        assert kind.removesuffix("ns") in message or "no such container" in message, message
    several.ok(
        "create", "--replace", "--network", "none", "--name", "new", "--ipc", "shareable", "busybox"
    )
    message = several.fails(*JOIN, f"--{kind}", "container:new", "busybox", "true")
    assert "not running" in message or "no user namespace" in message, message
    several.ok("rm", "new")
