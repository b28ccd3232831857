"""kill -9 of anything at any time, reboots, full disks: state stays true and removable."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from engine import Engine, wait_for
from full_disk import fill, small_disk
from victims import alive, kill, reboot, status_of

NONE = ("--network", "none")


@pytest.mark.parametrize("victims", ["monitor", "init", "monitor init", "init monitor"])
@pytest.mark.parametrize("network", ["none", "bridge"])
def test_kill_nine(engine: Engine, victims: str, network: str) -> None:
    container_id = engine.ok("run", "-d", "--network", network, "--name", "c", "busybox",
                             "sh", "-c", "echo on; sleep 1000")  # fmt: skip
    engine.logs_until("c", "on")
    monitor, init = engine.pids(container_id)
    kill(*[{"monitor": monitor, "init": init}[v] for v in victims.split()])
    started = time.monotonic()
    status = status_of(engine, "c")
    assert time.monotonic() - started < 1
    if victims == "monitor":
        # without its monitor a container may go on, or end with it; ps tells which
        assert status.startswith("running" if alive(init) else "exited")
    else:
        assert status.startswith("exited Exited (")
        expected = "(137)" if victims == "init" else "(255)"
        assert expected in status or "(137)" in status
    assert engine.ok("logs", "c") == "on"
    done = engine.run("rm", "-f", "c")
    assert (done.code, done.err) == (0, "")
    assert engine.left() == []


def test_files_of_a_transient_one_that_was_killed(engine: Engine) -> None:
    """Its overlay was not synced, of which the kernel leaves a mark that forbids to mount it."""
    container_id = engine.detached("--rm", "busybox", "sh", "-c", "echo kept >/f; sleep 1000")
    wait_for(lambda: engine.run("exec", container_id, "test", "-s", "/f").code == 0)
    monitor, init = engine.pids(container_id)
    kill(monitor, init)
    wait_for(lambda: not alive(init))
    assert "kept" in engine.ok("cp", f"{container_id}:/f", "-")
    engine.ok("start", container_id)
    engine.ok("rm", "-f", container_id)
    assert engine.left() == []


@pytest.mark.parametrize("victims", ["monitor", "monitor init"])
def test_other_commands_after_the_monitor_was_killed(engine: Engine, victims: str) -> None:
    for command in (("stop", "-t", "0"), ("kill",), ("wait",), ("start",)):
        container_id = engine.detached("busybox", "sleep", "1000")
        monitor, init = engine.pids(container_id)
        kill(*[{"monitor": monitor, "init": init}[v] for v in victims.split()])
        if command == ("wait",) and alive(init):
            kill(init)
        done = engine.run(*command, container_id, timeout=15)
        running = victims == "monitor"
        if command == ("kill",) and not running:
            assert done.code == 125 and "not running" in done.err
        else:
            assert done.code == 0, done
        if command == ("start",):
            assert engine.state(container_id)["Running"]
        else:
            assert not engine.state(container_id)["Running"]
        assert engine.run("rm", "-f", container_id).code == 0
        assert engine.left() == []


def test_removal_while_it_is_started(engine: Engine) -> None:
    """Force wins, whether the start was before or after its first look."""
    for step in range(12):
        container_id = engine.ok("create", *NONE, "busybox", "sleep", "1000")
        starting = engine.popen("start", container_id)
        time.sleep(0.01 * step)
        done = engine.run("rm", "-f", container_id)
        assert (done.code, done.err) == (0, ""), f"step {step}"
        starting.wait()
    assert engine.ps("-a") == [] and engine.left() == []


def test_a_monitor_that_is_slow_to_note_the_end(engine: Engine) -> None:
    """Nobody calls the end unseen while the monitor is there to tell it."""
    for command in ("wait", "inspect", "stop"):
        container_id = engine.detached("busybox", "sleep", "1000")
        monitor, init = engine.pids(container_id)
        os.kill(monitor, signal.SIGSTOP)
        os.kill(init, signal.SIGKILL)
        asking = engine.popen(command, container_id)
        time.sleep(0.4)
        os.kill(monitor, signal.SIGCONT)
        out, _ = asking.communicate(timeout=20)
        assert asking.returncode == 0
        if command == "wait":
            assert out == b"137\n"
        assert engine.state(container_id)["ExitCode"] == 137


def test_command_killed_while_attached(engine: Engine) -> None:
    process = engine.popen("run", "--name", "c", *NONE, "busybox", "sh", "-c",
                           "echo on; sleep 0.5; echo off; sleep 1000")  # fmt: skip
    assert process.stdout.readline() == b"on\n"
    kill(process.pid)
    assert status_of(engine, "c").startswith("running")
    assert "off" in engine.logs_until("c", "off")
    engine.ok("rm", "-f", "c")
    assert engine.left() == []


def test_command_killed_with_rm_still_removes(engine: Engine) -> None:
    process = engine.popen("run", "--rm", *NONE, "busybox", "sh", "-c", "echo on; sleep 0.5")
    assert process.stdout.readline() == b"on\n"
    kill(process.pid)
    assert engine.left(10) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("shell", [False, True])
def test_a_job_that_is_stopped(engine: Engine, number: signal.Signals, shell: bool) -> None:
    """The command passes the signal on, and removes the container that ends of it; also when the
    shell that has started it was killed before."""
    words = ("run", "--rm", "--init", *NONE, "busybox", "sh", "-c", "echo on; exec sleep 1000")
    command = engine.command(*words)
    script = ["sh", "-c", '"$@" & echo $!; wait', "sh"] if shell else []
    process = subprocess.Popen([*script, *command], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    pid = int(process.stdout.readline()) if shell else process.pid
    assert process.stdout.readline() == "on\n"
    if shell:
        process.kill()
        process.wait()
    os.kill(pid, number)
    if shell:
        wait_for(lambda: not alive(pid))
    else:
        assert process.wait(timeout=20) == 128 + number
    assert engine.left(10) == []


def test_command_killed_at_any_point(root: Engine) -> None:
    """Whatever it had made by then: ps works, rm -fa removes it, a new run is fine."""
    for step in range(25):
        process = root.popen("run", "-d", "--name", "c", "busybox", "sleep", "1000")
        time.sleep(0.008 * step)
        process.kill()
        process.wait()
        assert root.run("ps", "-a").code == 0
        done = root.run("rm", "-f", "-a")
        assert (done.code, done.err) == (0, ""), f"step {step}"
        assert root.ok("run", "--rm", "--name", "c", *NONE, "busybox", "echo", "ok") == "ok"
    root.ok("rm", "-f", "-a")
    # half-made directories of killed commands may wait for the next sweep, nothing else may
    left = [x for x in root.there() if "/containers/.new-" not in x]
    assert left == []


def test_removal_killed_at_any_point(root: Engine) -> None:
    for step in range(15):
        root.detached("--name", "c", "busybox", "sleep", "1000")
        process = root.popen("rm", "-f", "c")
        time.sleep(0.004 * step)
        process.kill()
        process.wait()
        assert root.run("ps", "-a").code == 0
        assert root.run("rm", "-f", "c").code == 0
        assert root.ps("-a") == []


def test_exec_killed(engine: Engine) -> None:
    container_id = engine.detached("--name", "c", "busybox", "sleep", "1000")
    process = engine.popen("exec", "c", "sh", "-c", "echo on; sleep 1000")
    assert process.stdout.readline() == b"on\n"
    kill(process.pid)
    assert engine.state("c")["Running"]
    monitor, init = engine.pids(container_id)
    assert alive(monitor) and alive(init)
    engine.ok("rm", "-f", "c")
    assert engine.left() == []


def test_reboot_while_nothing_runs(engine: Engine) -> None:
    engine.run("run", "--name", "done", *NONE, "busybox", "sh", "-c", "echo x > /kept; exit 3")
    engine.ok("create", "--name", "made", *NONE, "busybox", "cat", "/kept")
    shutil.rmtree(engine.run_root)
    assert status_of(engine, "done").startswith("exited Exited (3)")
    assert status_of(engine, "made").startswith("created")
    assert engine.run("start", "-a", "done").code == 3


def test_reboot_while_it_ran(engine: Engine) -> None:
    engine.ok("run", "-d", "--name", "c", "busybox", "sh", "-c", "echo started; sleep 1000")
    engine.logs_until("c", "started")
    reboot(engine)
    assert status_of(engine, "c").startswith("exited Exited (")
    assert engine.ok("start", "c") == "c"
    assert status_of(engine, "c").startswith("running Up ")
    assert engine.logs_until("c", "started\nstarted").count("started") == 2
    engine.ok("rm", "-f", "c")
    assert engine.left() == []


def test_pid_of_a_stranger_is_never_signalled(engine: Engine) -> None:
    """The status says running, but the pid has been reused (T37)."""
    container_id = engine.detached("--name", "c", "busybox", "sleep", "1000")
    file = engine.status_file(container_id)
    found = json.loads(file.read_text())
    kill(found["monitor_pid"], found["pid"])
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        for changed in (
            {"pid": stranger.pid},
            {"pid": stranger.pid, "monitor_pid": stranger.pid},
            {"pid": stranger.pid, "boot_id": "another"},
            {"pid": 1}, {"pid": -1}, {"pid": 0}, {"pid": "1"}, {"pid": None},
        ):  # fmt: skip
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(found | changed))
            assert engine.run("ps", "-a").code == 0
            assert status_of(engine, "c").startswith("exited"), changed
            for command in (
                ("kill", "c"),
                ("stop", "-t0", "c"),
                ("wait", "c"),
                ("exec", "c", "id"),
            ):
                done = engine.run(*command, timeout=15)
                assert "Traceback" not in done.err, (changed, command)
            assert stranger.poll() is None
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(found | {"pid": stranger.pid, "monitor_pid": stranger.pid}))
        done = engine.run("rm", "-f", "c", timeout=15)
        assert (done.code, done.err) == (0, "")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("damage", ["empty", "cut", "null", "list", "binary", "gone"])
@pytest.mark.parametrize("name", ["container.json", "config.json", "status.json"])
def test_damaged_file(engine: Engine, name: str, damage: str) -> None:
    """One damaged container is told of, does not hide the others, and can be removed."""
    engine.ok("run", "--name", "good", *NONE, "busybox", "true")
    container_id = (
        engine.ok("run", "--name", "bad", *NONE, "busybox", "true") or engine.inspect("bad")["Id"]
    )
    file = engine.root / "containers" / container_id / name
    whole = file.read_bytes()
    content = {"empty": b"", "cut": whole[: len(whole) // 2], "null": b"null", "list": b"[1]",
               "binary": bytes(range(256))}  # fmt: skip
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[damage])
    for command in (("ps", "-a"), ("inspect", "bad"), ("start", "bad"), ("logs", "bad"),
                    ("stop", "-t0", "bad"), ("images",), ("wait", "bad")):  # fmt: skip
        done = engine.run(*command)
        assert "Traceback" not in done.err, command
        if command[0] in ("ps", "images"):
            assert done.code == 0 and "busybox" in done.out
    assert "good" in engine.ok("ps", "-a")
    done = engine.run("rm", "-f", container_id)
    assert done.code == 0 and "Traceback" not in done.err
    assert engine.ps("-a") == ["good"]
    assert engine.ok("run", "--name", "bad", *NONE, "busybox", "echo", "again") == "again"


# ---- disk full ----


@pytest.fixture
def small(fresh: Callable[[str], Engine], engine: Engine) -> Iterator[Engine]:
    """An engine whose store is on a tmpfs of 24 MB, with busybox and two containers."""
    made = fresh("user" if engine.rootless else "root")
    with small_disk(made, made.root):
        made.ok("pull", "-q", "busybox")
        made.ok("run", "--name", "ended", *NONE, "busybox", "echo", "text")
        made.detached(
            "--name", "runs", "busybox", "sh", "-c", "while :; do echo tick; sleep 0.02; done"
        )
        made.logs_until("runs", "tick")
        yield made


def test_disk_full(small: Engine) -> None:
    filler = fill(small.root)
    assert "runs" in small.ok("ps") and "ended" in small.ok("ps", "-a")
    assert "busybox" in small.ok("images")
    assert small.ok("logs", "ended") == "text" and "tick" in small.ok("logs", "runs")
    assert small.ok("exec", "runs", "echo", "x") == "x"
    for options in (("--rm",), ("-d",), ("--name", "n")):
        assert "no space left" in small.fails("run", *options, *NONE, "busybox", "true").lower()
    assert small.ps("-a") == ["ended", "runs"]
    small.ok("stop", "-t", "0", "runs")
    assert status_of(small, "runs").startswith("exited")
    assert small.ok("rm", "-f", "runs") == "runs"
    fill(small.root)
    assert small.ok("rm", "-f", "ended") == "ended"
    fill(small.root)
    small.ok("rmi", "busybox")
    assert small.ok("images", "-q") == ""
    filler.unlink()
    assert small.ok("run", "--rm", "-q", *NONE, "busybox", "echo", "fine") == "fine"


def test_disk_full_while_pulling(fresh: Callable[[str], Engine]) -> None:
    engine = fresh("root")
    with small_disk(engine, engine.root, 30):
        message = engine.fails("pull", "-q", "nginx")
        assert "no space left" in message.lower()
        assert engine.ok("images", "-q") == ""
        engine.ok("pull", "-q", "busybox")
        assert engine.ok("run", "--rm", *NONE, "busybox", "echo", "fine") == "fine"


DAMAGED = ["", "{", "[]", "null", '{"count": "x", "delay_ms": []}', '{"status": 5}',
           '{"status": "healthy", "log": {}}', "\0" * 50]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
def test_damaged_notes_of_policies_health_and_events(root: Engine, text: str) -> None:
    container_id = root.detached("--name", "web", "--restart", "on-failure:3", "--stop-timeout",
                                 "0", "--health-cmd", "true", "busybox", "sleep", "1000"
                                 )  # fmt: skip
    (root.root / f"containers/{container_id}/restart.json").write_text(text)
    (root.run_root / f"containers/{container_id}/health.json").write_text(text)
    with (root.run_root / "events.log").open("a") as f:
        f.write(text + "\n")
    assert root.inspect("web")["RestartCount"] == 0
    assert root.state("web")["Health"]["Status"] == "starting"
    assert "(health: starting)" in root.ok("ps", "--format", "{{.Status}}")
    root.ok("events", "--since", "1h", "--until", "0s", "--filter", "container=web")
    root.ok("healthcheck", "run", "web")
    assert root.state("web")["Health"]["Status"] == "healthy"
    root.ok("rm", "-f", "web")
