"""`exec`: a further process in a running container."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import pytest
from engine import Engine, wait_for

SLEEP = ("busybox", "sleep", "1000")


@pytest.fixture
def running(engine: Engine) -> Iterator[Engine]:
    """A container `c` that sleeps."""
    engine.detached("--name", "c", *SLEEP)
    yield engine


def test_streams_and_status(running: Engine) -> None:
    done = running.run("exec", "c", "sh", "-c", "echo out; echo err >&2; exit 9")
    assert (done.code, done.out, done.err) == (9, "out\n", "err\n")


@pytest.mark.parametrize(
    "command,code", [(["nope"], 127), (["/nope"], 127), (["/etc"], 126), (["/etc/passwd"], 126),
                     (["sh", "-c", "kill -9 $$"], 137)],
)  # fmt: skip
def test_exit_codes(running: Engine, command: list[str], code: int) -> None:
    done = running.run("exec", "c", *command)
    assert done.code == code
    if code < 128:
        assert done.err.startswith("crunpy: error: ") and done.err.count("\n") == 1


def test_it_is_in_the_container(running: Engine) -> None:
    namespaces = "for n in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done"
    of_init = running.ok("exec", "c", "sh", "-c", namespaces.replace("self", "1"))
    own = running.ok("exec", "c", "sh", "-c", namespaces)
    assert own == of_init
    assert own.split()[0] != os.readlink("/proc/self/ns/mnt")
    assert "sleep" in running.ok("exec", "c", "ps")
    running.ok("exec", "c", "touch", "/made")
    assert "/made" in running.ok("exec", "c", "ls", "/made")


def test_input(running: Engine) -> None:
    data = os.urandom(3 << 20)
    done = running.run("exec", "-i", "c", "sha256sum", input=data)
    assert done.out.split()[0] == hashlib.sha256(data).hexdigest()
    assert running.run("exec", "c", "cat", input=b"not passed on").out == ""


def test_options(running: Engine) -> None:
    script = "id -u; id -g; pwd; echo $A $HOME"
    out = running.ok("exec", "-u", "tester", "-w", "/tmp", "-e", "A=1", "c", "sh", "-c", script)
    assert out.split("\n") == ["1234", "1234", "/tmp", "1 /home/tester"]
    assert running.ok("exec", "-u", "12:34", "c", "sh", "-c", "echo $(id -u) $(id -G)") == "12 34"
    assert running.ok("exec", "-u1", "c", "id", "-u") == "1"
    assert "user" in running.fails("exec", "-u", "nosuch", "c", "true")
    assert "user" in running.fails("exec", "-u", "4294967295", "c", "true")
    running.fails("exec", "-w", "relative", "c", "true")


def test_capabilities_and_filter_are_the_containers(running: Engine) -> None:
    read = ("sh", "-c", "grep -E '^(Cap|Seccomp:|NoNew)' /proc/self/status")
    plain = running.ok("exec", "c", *read)
    running.detached("--name", "d", "--cap-drop", "all", "--cap-add", "net_raw", *SLEEP)
    dropped = running.ok("exec", "d", *read)
    assert "CapEff:\t00000000a80425fb" in plain or "CapEff:" in plain
    assert "CapEff:\t0000000000002000" in dropped and "CapBnd:\t0000000000002000" in dropped
    assert "Seccomp:\t2" in plain and "Seccomp:\t2" in dropped
    as_user = running.ok("exec", "-u", "tester", "c", *read)
    assert "CapEff:\t0000000000000000" in as_user and "CapInh:\t0000000000000000" in as_user
    all_of_them = running.ok("exec", "--privileged", "c", *read)
    assert "Seccomp:\t0" in all_of_them and "CapEff:\t000001ff" in all_of_them


def test_first_process_and_exec_have_the_same_capabilities(running: Engine) -> None:
    read = ("sh", "-c", "grep ^Cap /proc/1/status; echo; grep ^Cap /proc/self/status")
    first, second = running.ok("exec", "c", *read).split("\n\n")
    assert first == second


def test_detached(running: Engine) -> None:
    done = running.run("exec", "-d", "c", "sh", "-c", "sleep 0.2; echo done > /flag")
    assert (done.code, done.out, done.err) == (0, "", "")
    wait_for(lambda: running.run("exec", "c", "cat", "/flag").out == "done\n")


def test_only_in_what_runs(engine: Engine) -> None:
    engine.fails("exec", "nosuch", "true")
    engine.ok("create", "--network", "none", "--name", "made", "busybox")
    assert "not running" in engine.fails("exec", "made", "true")


def test_it_ends_with_the_container(running: Engine) -> None:
    process = running.popen("exec", "c", "sh", "-c", "echo on; sleep 1000")
    assert process.stdout.readline() == b"on\n"
    running.ok("kill", "c")
    assert process.wait(10) == 137


def test_many_at_once(running: Engine) -> None:
    processes = [running.popen("exec", "c", "echo", str(n)) for n in range(20)]
    for number, process in enumerate(processes):
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, b"%d\n" % number, b"")


def test_nothing_stays_after_it(running: Engine) -> None:
    before = len(running.processes())
    for _ in range(5):
        running.ok("exec", "c", "true")
    wait_for(lambda: len(running.processes()) == before)
    assert running.ok("exec", "c", "ps", "-o", "stat").count("Z") == 0
