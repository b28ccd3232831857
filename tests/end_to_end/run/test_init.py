"""init: everything is made, the command waits for start."""

from __future__ import annotations

import os
import time

from engine import Engine, free_port, wait_for

NONE = ("--network", "none")


def test_init_then_start(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "web", "--stop-timeout", "0", "busybox", "sh", "-c",
              "echo here; sleep 1000")  # fmt: skip
    assert engine.ok("init", "web") == "web"
    found = engine.state("web")
    assert found["Status"] == "initialized" and not found["Running"]
    pid = found["Pid"]
    assert pid and os.path.exists(f"/proc/{pid}")
    assert engine.ps() == [] and "Initialized" in engine.ok("ps", "-a", "--format", "{{.Status}}")
    time.sleep(0.1)
    assert engine.ok("logs", "web") == ""
    assert engine.ok("init", "web") == "web", "again is no error"
    assert engine.ok("start", "web") == "web"
    assert engine.logs_until("web", "here") == "here\n"
    found = engine.state("web")
    assert (found["Status"], found["Pid"]) == ("running", pid)
    assert "running" in engine.fails("init", "web")
    engine.ok("exec", "web", "true")


def test_start_attached_to_an_initialized_one(engine: Engine) -> None:
    engine.ok("create", "-i", *NONE, "--name", "web", "busybox", "sh", "-c", "cat; exit 5")
    engine.ok("init", "web")
    done = engine.run("start", "-a", "-i", "web", input="hello")
    assert (done.code, done.out) == (5, "hello")
    assert engine.state("web")["Status"] == "exited"


def test_a_command_that_is_missing(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "web", "busybox", "/nope")
    engine.ok("init", "web")
    assert "no such file" in engine.fails("start", "web", code=1)
    wait_for(lambda: engine.state("web")["Status"] == "created")
    engine.ok("rm", "web")


def test_initialized_ones_are_stopped_and_removed(engine: Engine) -> None:
    port = free_port()
    engine.ok("create", "-p", f"{port}:80", "--name", "web", "busybox", "sleep", "1000")
    engine.ok("create", *NONE, "--init", "--name", "shop", "busybox", "sleep", "1000")
    assert sorted(engine.ok("init", "--all").split()) == sorted(
        engine.inspect(name)["Id"] for name in ("web", "shop")
    )
    engine.ok("rm", "web")
    engine.ok("start", "shop")
    assert engine.state("shop")["Running"]
    engine.ok("rm", "-f", "shop")
    assert not engine.left()


def test_a_killed_monitor_takes_it_along(root: Engine) -> None:
    container_id = root.ok("create", *NONE, "busybox", "sleep", "1000")
    root.ok("init", container_id)
    monitor, first = root.pids(container_id)
    os.kill(monitor, 9)
    wait_for(lambda: not os.path.exists(f"/proc/{first}"))
    assert root.state(container_id)["Status"] == "exited"
    root.ok("start", container_id)
    assert root.state(container_id)["Running"]
