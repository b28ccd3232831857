"""Exit codes and what is left behind where scripts depend on them: Docker's."""

from __future__ import annotations

import time

import pytest
from engine import Engine, free_port, wait_for

STUBBORN = ("busybox", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done")


def test_a_missing_command_at_start(engine: Engine) -> None:
    """docker start says 1; the container keeps 127 and why."""
    engine.ok("create", "--network", "none", "--name", "c", "busybox", "nosuch")
    for words in (("start", "c"), ("start", "-a", "c")):
        assert "nosuch" in engine.fails(*words, code=1)
    state = engine.state("c")
    assert (state["Status"], state["ExitCode"]) == ("created", 127) and "nosuch" in state["Error"]


@pytest.mark.parametrize("options", [[], ["-d"]])
def test_a_missing_command_at_run(engine: Engine, options: list[str]) -> None:
    """Without --rm the container stays, to be looked at."""
    assert engine.run("run", *options, "--network", "none", "--name", "c", "busybox",
                      "nosuch").code == 127  # fmt: skip
    assert engine.state("c")["Status"] == "created" and engine.state("c")["ExitCode"] == 127
    assert engine.run("run", *options, "--rm", "--network", "none", "--name", "d", "busybox",
                      "nosuch").code == 127  # fmt: skip
    assert engine.ps("-a") == ["c"]


def test_a_port_that_is_taken(root: Engine) -> None:
    """125, and the container stays until the port is free."""
    port = free_port()
    root.ok("run", "-d", "--name", "a", "-p", f"{port}:80", "busybox", "sleep", "1000")
    message = root.fails("run", "-d", "--name", "b", "-p", f"{port}:80", "busybox", "sleep", "1000")
    assert str(port) in message
    assert root.state("b")["Status"] == "created"
    assert str(port) in root.fails("start", "b", code=1)
    root.ok("rm", "-f", "a")
    root.ok("start", "b")
    assert root.ps() == ["b"]


def test_objects_in_use(root: Engine) -> None:
    root.detached("--name", "c", "-v", "vol:/v", "busybox", "sleep", "1000")
    assert "running" in root.fails("rm", "c", code=1)
    assert "c" in root.fails("volume", "rm", "vol", code=1)
    assert root.fails("rmi", root.inspect("c")["Image"], code=1)
    assert root.ps() == ["c"] and len(root.volumes()) == 1


@pytest.mark.parametrize("kind", ["network", "pid", "ipc"])
def test_whose_namespace_another_one_uses(engine: Engine, kind: str) -> None:
    options = ("--ipc", "shareable") if kind == "ipc" else ()
    engine.detached("--name", "a", *options, "busybox", "sleep", "1000")
    engine.detached("--name", "b", f"--{kind}=container:a", "busybox", "sleep", "1000")
    for words in (("rm", "-f", "a"), ("rm", "-f", "-t0", "a")):
        done = engine.run(*words)
        assert done.code in (1, 125) and " b" in done.err, done
    assert sorted(engine.ps()) == ["a", "b"]
    engine.ok("stop", "-t0", "a")
    assert engine.run("rm", "a").code in (1, 125) and "a" in engine.ps("-a")
    engine.ok("rm", "-f", "a", "b")
    assert engine.ps("-a") == []


def test_users_go_before_what_they_use(engine: Engine) -> None:
    """--all and prune find the order themselves."""
    for flags in (("rm", "-f", "--all"), ("container", "prune", "-f")):
        engine.ok("create", "--name", "a", "--network", "none", "busybox", "sleep", "1000")
        engine.ok("create", "--name", "b", "--network", "container:a", "busybox", "sleep", "1000")
        engine.ok(*flags)
        assert engine.ps("-a") == []


def test_a_word_when_it_had_to_be_killed(engine: Engine) -> None:
    engine.detached("--name", "c", *STUBBORN)
    engine.logs_until("c", "up")
    done = engine.run("stop", "-t", "1", "c")
    assert (done.code, done.out) == (0, "c\n")
    assert "warning" in done.err and "SIGKILL" in done.err and "SIGTERM" in done.err, done.err
    engine.ok("start", "c")
    assert engine.run("stop", "-t", "0", "c").err == ""  # asked for
    engine.detached("--name", "d", "--init", "busybox", "sleep", "1000")
    assert engine.run("stop", "d").err == ""


def test_stopping_is_a_state(engine: Engine) -> None:
    engine.detached("--name", "c", *STUBBORN)
    engine.logs_until("c", "up")
    stop = engine.popen("stop", "-t", "3", "c")
    wait_for(lambda: engine.state("c")["Status"] == "stopping", timeout_s=2.5)
    assert engine.state("c")["Running"] is True
    assert engine.ok("ps", "-f", "status=stopping", "--format", "{{.Names}} {{.State}}") == (
        "c stopping"
    )
    assert stop.wait() == 0
    assert engine.state("c")["Status"] == "exited"


def test_the_order_of_ps(root: Engine) -> None:
    for name in "bac":
        root.ok("create", "--network", "none", "--name", name, "busybox")
        time.sleep(0.01)
    shown = root.ok("ps", "-a", "--sort", "created", "--format", "{{.Names}}").split()
    assert shown == ["b", "a", "c"]
    assert root.ok("ps", "-a", "--format", "{{.Names}}").split() == ["c", "a", "b"]
