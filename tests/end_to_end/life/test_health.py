"""Health checks: made by themselves, judged as Docker does."""

from __future__ import annotations

from typing import Any

from engine import Engine, wait_for

FAST = ("--health-interval", "200ms", "--health-timeout", "2s")


def health(engine: Engine, name: str = "c") -> Any:
    return engine.state(name)["Health"]


def test_it_turns_healthy_and_unhealthy_by_itself(engine: Engine) -> None:
    engine.detached("--name", "c", *FAST, "--health-retries", "2", "--health-cmd",
                    "echo look; test -e /well", "busybox", "sleep", "1000")  # fmt: skip
    assert health(engine)["Status"] == "starting"
    assert "(health: starting)" in engine.ok("ps", "--format", "{{.Status}}")
    engine.ok("exec", "c", "touch", "/well")
    wait_for(lambda: health(engine)["Status"] == "healthy")
    assert "(healthy)" in engine.ok("ps", "--format", "{{.Status}}")
    assert engine.ps("--filter", "health=healthy") == ["c"]
    assert engine.ps("--filter", "health=unhealthy") == []
    assert health(engine)["Log"][-1]["Output"] == "look\n"
    engine.ok("exec", "c", "rm", "/well")
    wait_for(lambda: health(engine)["Status"] == "unhealthy")
    found = health(engine)
    assert found["FailingStreak"] >= 2 and found["Log"][-1]["ExitCode"] == 1
    assert len(found["Log"]) <= 5
    kinds = engine.ok("events", "--since", "1h", "--until", "0s", "--format", "{{.Action}}")
    assert "health_status: healthy\nhealth_status: unhealthy" in "\n".join(
        k for k in kinds.splitlines() if k.startswith("health")
    )


def test_start_period_forgives(engine: Engine) -> None:
    engine.detached("--name", "c", *FAST, "--health-retries", "1", "--health-start-period", "1h",
                    "--health-start-interval", "200ms", "--health-cmd", "false", "busybox",
                    "sleep", "1000")  # fmt: skip
    wait_for(lambda: len(health(engine)["Log"]) >= 2)
    assert health(engine)["Status"] == "starting" and health(engine)["FailingStreak"] == 0


def test_a_check_that_hangs_is_killed(engine: Engine) -> None:
    engine.detached("--name", "c", "--health-interval", "200ms", "--health-timeout", "300ms",
                    "--health-retries", "1", "--health-cmd", "exec sleep 1234", "busybox",
                    "sleep", "1000")  # fmt: skip
    wait_for(lambda: health(engine)["Status"] == "unhealthy")
    assert "timeout" in health(engine)["Log"][-1]["Output"]
    wait_for(lambda: engine.ok("exec", "c", "ps").count("sleep 1234") <= 1)


def test_on_failure_kill_and_the_restart_policy(engine: Engine) -> None:
    engine.detached("--name", "c", *FAST, "--health-retries", "1", "--health-on-failure", "kill",
                    "--restart", "always", "--health-cmd", "false", "busybox", "sleep",
                    "1000")  # fmt: skip
    wait_for(lambda: engine.inspect("c")["RestartCount"] >= 1)
    engine.ok("stop", "-t", "0", "c")


def test_on_failure_stop_and_restart(engine: Engine) -> None:
    for action in ("stop", "restart"):
        engine.detached("--name", action, *FAST, "--health-retries", "1", "--health-on-failure",
                        action, "--stop-timeout", "0", "--health-cmd", "test ! -e /ill", "busybox",
                        "sleep", "1000")  # fmt: skip
    pid = engine.state("restart")["Pid"]
    for action in ("stop", "restart"):
        engine.ok("exec", action, "touch", "/ill")
    wait_for(lambda: engine.state("stop")["Status"] == "exited")
    kept = health(engine, "stop")  # why it was stopped
    assert kept["Status"] == "unhealthy" and kept["Log"][-1]["ExitCode"] == 1
    wait_for(lambda: engine.state("restart")["Pid"] not in (0, pid))


def test_healthcheck_run(engine: Engine) -> None:
    engine.detached("--name", "c", "--health-cmd", "test -e /well", "busybox", "sleep", "1000")
    done = engine.run("healthcheck", "run", "c")
    assert (done.code, done.out, done.err) == (1, "starting\n", "")
    engine.ok("exec", "c", "touch", "/well")
    assert engine.ok("healthcheck", "run", "c") == ""
    assert health(engine)["Status"] == "healthy"
    engine.detached("--name", "d", "busybox", "sleep", "1000")
    assert "no health check" in engine.fails("healthcheck", "run", "d")
    engine.ok("stop", "-t", "0", "c")
    assert "not running" in engine.fails("healthcheck", "run", "c")


def test_images_check_and_no_healthcheck(root: Engine) -> None:
    found = root.inspect(root.ok("create", "--health-cmd", '["CMD","/bin/true"]', "busybox"))
    assert found["Config"]["Healthcheck"]["Test"] == ["CMD", "/bin/true"]
    assert found["Config"]["Healthcheck"]["Interval"] == 30 * 10**9
    assert "conflicts" in root.fails("create", "--no-healthcheck", "--health-cmd", "x", "busybox")
    assert "not a span" in root.fails(
        "create", "--health-cmd", "x", "--health-interval", "often", "busybox"
    )


def test_healthcheck_of_an_image(engine: Engine) -> None:
    engine.ok("create", "--network", "none", "--name", "base", "busybox", "sleep", "1000")
    change = "HEALTHCHECK --interval=200ms --retries=1 CMD test -e /well"
    engine.ok("commit", "-c", change, "base", "checked:1")
    engine.detached("--name", "web", "--stop-timeout", "0", "checked:1")
    wait_for(lambda: health(engine, "web")["Status"] == "unhealthy")
    engine.ok("exec", "web", "touch", "/well")
    wait_for(lambda: health(engine, "web")["Status"] == "healthy")
    engine.detached("--name", "shop", "--no-healthcheck", "--stop-timeout", "0", "checked:1")
    assert "Health" not in engine.state("shop")
    engine.ok("rm", "-f", "web", "shop", "base")
    engine.ok("rmi", "checked:1")
