"""Restart policies: who is started again, how often, and what ends it."""

from __future__ import annotations

import json
import os
import shutil
import time

from engine import Engine, wait_for
from victims import reboot

from crun_py import state

NONE = ("--network", "none")


def restarts(engine: Engine, name: str) -> int:
    return int(engine.inspect(name)["RestartCount"])


def test_on_failure_gives_up_after_its_maximum(engine: Engine) -> None:
    engine.detached("--name", "c", "--restart", "on-failure:2", "busybox", "sh", "-c",
                    "echo x; exit 5")  # fmt: skip
    wait_for(lambda: restarts(engine, "c") == 2 and engine.state("c")["Status"] == "exited")
    found = engine.inspect("c")
    assert found["State"]["ExitCode"] == 5
    assert found["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert engine.ok("logs", "c").split() == ["x"] * 3
    time.sleep(0.5)
    assert restarts(engine, "c") == 2


def test_on_failure_leaves_success_alone(engine: Engine) -> None:
    engine.detached("--name", "c", "--restart", "on-failure", "busybox", "true")
    wait_for(lambda: engine.state("c")["Status"] == "exited")
    time.sleep(0.3)
    assert engine.state("c")["Status"] == "exited" and restarts(engine, "c") == 0


def test_always_restarts_and_a_stop_ends_it(engine: Engine) -> None:
    engine.detached("--name", "c", "--restart", "always", "busybox", "sh", "-c",
                    "echo x; sleep 0.2")  # fmt: skip
    wait_for(lambda: restarts(engine, "c") >= 2)
    engine.ok("stop", "c")
    assert engine.state("c")["Status"] == "exited"
    time.sleep(0.7)
    assert engine.state("c")["Status"] == "exited"
    engine.ok("start", "c")
    wait_for(lambda: restarts(engine, "c") >= 1)


def test_state_while_it_waits(engine: Engine) -> None:
    engine.detached("--name", "c", "--restart", "always", "busybox", "false")
    wait_for(lambda: restarts(engine, "c") >= 4)  # then it waits for 1.6 s
    wait_for(lambda: engine.state("c")["Restarting"])
    wait_for(lambda: engine.ok("ps", "--format", "{{.Status}}").startswith("Restarting (1)"))
    assert "rm -f" in engine.fails("rm", "c", code=1)
    engine.ok("rm", "-f", "c")
    assert engine.ps("-a") == [] and not engine.left()


def test_a_restart_under_way_is_no_end(engine: Engine) -> None:
    """Between the monitor's first note of the new run and its second."""
    engine.ok("run", "--rm", *NONE, "busybox", "true")  # makes the run directory
    container_id = engine.ok("create", *NONE, "--restart", "on-failure:1", "busybox", "false")
    ours = {"monitor_pid": os.getpid(), "monitor_start_ticks": state.start_ticks(os.getpid())}
    for top, noted in ((engine.root, "restarting"), (engine.run_root, "starting")):
        file = top / "containers" / container_id / "status.json"
        file.parent.mkdir(exist_ok=True)
        note = {"version": 1, "state": noted, "exit_code": 1, "boot_id": state.boot_id(), **ours}
        file.write_text(json.dumps(note))
        shutil.chown(file, engine.user or "root")
        shutil.chown(file.parent, engine.user or "root")
    assert engine.state(container_id)["Status"] == "restarting"
    assert engine.ok("ps", "--format", "{{.State}}") == "restarting"
    shutil.rmtree(engine.run_root / "containers" / container_id)


def test_kill_is_a_users_will_but_an_inner_death_is_not(engine: Engine) -> None:
    engine.detached("--name", "c", "--restart", "unless-stopped", "busybox", "sleep", "1000")
    engine.run("exec", "c", "kill", "-9", "-1")
    engine.run("exec", "c", "sh", "-c", "kill -TERM 1")
    engine.ok("kill", "c")
    time.sleep(0.5)
    assert engine.state("c")["Status"] == "exited" and engine.state("c")["ExitCode"] == 137


def test_a_killed_process_is_restarted(root: Engine) -> None:

    container_id = root.detached("--restart", "always", "busybox", "sleep", "1000")
    first = root.pids(container_id)[1]
    os.kill(first, 9)
    wait_for(lambda: root.state(container_id)["Pid"] not in (0, first))


def test_a_killed_monitor_does_not_end_the_policy(root: Engine) -> None:

    container_id = root.detached("--restart", "always", "busybox", "sleep", "1000")
    monitor, first = root.pids(container_id)
    os.kill(monitor, 9)
    os.kill(first, 9)
    wait_for(lambda: not root.state(container_id)["Running"])
    root.ok("run", "--rm", *NONE, "busybox", "true")  # sweeps
    assert root.state(container_id)["Pid"] not in (0, first)


def test_foreground_returns_and_the_policy_goes_on(engine: Engine) -> None:
    done = engine.run("run", *NONE, "--name", "c", "--restart", "on-failure:1", "busybox", "sh",
                      "-c", "echo x; exit 3")  # fmt: skip
    assert (done.code, done.out) == (3, "x\n")
    wait_for(lambda: restarts(engine, "c") == 1)
    wait_for(lambda: engine.ok("logs", "c").split() == ["x", "x"])


def test_restart_on_a_network_with_a_port(engine: Engine) -> None:
    from engine import free_port

    port = free_port()
    engine.ok("run", "-d", "-p", f"{port}:80", "--name", "c", "--restart", "always", "busybox",
              "sh", "-c", "sleep 0.3")  # fmt: skip
    wait_for(lambda: restarts(engine, "c") >= 2)
    wait_for(lambda: f":{port}->80/tcp" in engine.ok("ps", "--format", "{{.Ports}}"))


def test_policies_that_make_no_sense(root: Engine) -> None:
    for option, word in (
        ("often", "not known"),
        ("always:3", "maximum"),
        ("on-failure:x", "not a"),
    ):
        assert word in root.fails("create", "--restart", option, "busybox")
    assert "--rm" in root.fails("run", "--rm", "--restart", "always", "busybox")


def test_a_time_out_kills(engine: Engine) -> None:
    started = time.monotonic()
    assert engine.run("run", *NONE, "--timeout", "1", "busybox", "sleep", "1000").code == 255
    assert time.monotonic() - started < 5


def test_resume_after_a_boot(engine: Engine) -> None:
    """A boot is seen by the run directory being gone."""
    for name, policy in (("a", "always"), ("u", "unless-stopped"), ("f", "on-failure"),
                         ("n", "no"), ("s", "unless-stopped")):  # fmt: skip
        engine.detached("--name", name, "--restart", policy, "--stop-timeout", "0", "busybox",
                        "sleep", "1000")  # fmt: skip
    engine.ok("stop", "s")
    reboot(engine)
    assert engine.ps() == []
    assert engine.ok("system", "resume").split() == ["a", "u", "f"]
    assert engine.ps() == ["a", "u", "f"]
    assert engine.ok("system", "resume") == ""


def test_a_shutdown_is_no_users_stop(engine: Engine) -> None:
    for name, policy in (
        ("a", "always"),
        ("u", "unless-stopped"),
        ("f", "on-failure"),
        ("n", "no"),
    ):
        engine.detached("--name", name, "--restart", policy, "--stop-timeout", "0", "busybox",
                        "sleep", "1000")  # fmt: skip
    assert sorted(engine.ok("system", "resume", "--stop").split()) == ["a", "u"]
    assert engine.ps() == ["f", "n"]
    assert engine.ok("system", "resume", "--stop") == ""
    assert engine.ok("system", "resume").split() == ["a", "u"]


def test_the_unit_that_resumes(engine: Engine) -> None:
    unit = engine.ok("system", "resume", "--print-unit")
    assert (
        "ExecStart=/" in unit
        and f"--root {engine.root} --runroot {engine.run_root} system resume" in unit
    )
    assert f"WantedBy={'default' if engine.rootless else 'multi-user'}.target" in unit
