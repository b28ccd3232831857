"""create, start, stop, kill, wait, rm, logs, attach: a container's life after `run -d`."""

from __future__ import annotations

import re
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from engine import Engine

NONE = ("--network", "none")
TRAP = "trap 'echo got {0}; exit {1}' {0}; echo ready; while :; do sleep 0.05; done"


def trapping(engine: Engine, name: str, code: int, *options: str) -> str:
    container_id = engine.detached(*options, "busybox", "sh", "-c", TRAP.format(name, code))
    engine.logs_until(container_id, "ready")
    return container_id


# ---- create and start ----


def test_create_then_start(engine: Engine) -> None:
    container_id = engine.ok(
        "create", *NONE, "--name", "c", "busybox", "sh", "-c", "echo hi; exit 3"
    )
    assert engine.state("c")["Status"] == "created" and engine.state("c")["Pid"] == 0
    assert engine.ps() == [] and engine.ps("-a") == ["c"]
    assert engine.ok("start", "c") == "c"
    assert engine.ok("wait", "c") == "3"
    assert engine.ok("logs", container_id) == "hi"
    assert engine.state("c")["Status"] == "exited" and engine.state("c")["ExitCode"] == 3


def test_start_attached_and_again_with_files_kept(engine: Engine) -> None:
    script = "echo x >> /count; cat /count | wc -l; exit 4"
    engine.ok("create", *NONE, "--name", "c", "busybox", "sh", "-c", script)
    for number in (1, 2, 3):
        done = engine.run("start", "-a", "c")
        assert (done.code, done.out.strip(), done.err) == (4, str(number), "")
    assert engine.ok("logs", "c").split() == ["1", "2", "3"]


def test_start_interactive(engine: Engine) -> None:
    engine.ok("create", "-i", *NONE, "--name", "c", "busybox", "cat")
    for text in ("one", "two"):
        assert engine.run("start", "-a", "-i", "c", input=text).out == text


def test_start_of_what_runs_is_no_error(engine: Engine) -> None:
    container_id = engine.detached("--name", "c", "busybox", "sleep", "1000")
    pid = engine.state("c")["Pid"]
    assert engine.ok("start", "c", container_id[:12]) == f"c\n{container_id[:12]}"
    assert engine.state("c")["Pid"] == pid


def test_start_whose_command_is_missing(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "c", "busybox", "/nope")
    assert "no such file" in engine.run("start", "c").err
    assert engine.ps("-a") == ["c"]
    done = engine.run("run", *NONE, "--name", "d", "busybox", "/nope")
    assert done.code == 127 and engine.ps("-a") == ["c", "d"]


# ---- signals, stop, wait ----


def test_stop_asks_first(engine: Engine) -> None:
    container_id = trapping(engine, "TERM", 7, "--name", "c")
    started = time.monotonic()
    assert engine.ok("stop", "c") == "c"
    assert time.monotonic() - started < 5
    assert engine.state(container_id)["ExitCode"] == 7
    assert engine.ok("logs", "c").split("\n")[-1] == "got TERM"
    assert engine.ok("stop", "c") == "c", "one that has stopped is no error"


def test_stop_kills_after_the_timeout(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    started = time.monotonic()
    engine.ok("stop", "-t", "1", "c")
    assert 0.9 < time.monotonic() - started < 5
    assert engine.state("c")["ExitCode"] == 137


def test_stop_signal_and_timeout_of_the_container(engine: Engine) -> None:
    trapping(engine, "USR1", 5, "--name", "c", "--stop-signal", "SIGUSR1")
    engine.ok("stop", "c")
    assert engine.state("c")["ExitCode"] == 5
    engine.detached("--name", "d", "--stop-timeout", "0", "busybox", "sleep", "1000")
    started = time.monotonic()
    engine.ok("stop", "d")
    assert time.monotonic() - started < 5 and engine.state("d")["ExitCode"] == 137


def test_kill(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    assert engine.ok("kill", "c") == "c"
    assert engine.state("c")["ExitCode"] == 137 and not engine.state("c")["Running"]
    for text in ("USR1", "sigusr1", "10"):
        container_id = trapping(engine, "USR1", 6)
        engine.ok("kill", "-s", text, container_id)
        assert engine.ok("wait", container_id) == "6"
    assert "not running" in engine.fails("kill", "c")
    assert "signal" in engine.fails("kill", "-s", "NOSUCH", "c")


def test_a_user_inside_can_be_stopped_too(engine: Engine) -> None:
    for command in (("stop", "-t", "0"), ("kill",), ("rm", "-f")):
        container_id = engine.detached("-u", "tester", "busybox", "sleep", "1000")
        engine.ok(*command, container_id)
        assert container_id[:12] not in engine.ok("ps", "-q")


def test_wait_tells_every_code(engine: Engine) -> None:
    for number in (0, 1, 99):
        engine.detached("--name", f"c{number}", "busybox", "sh", "-c", f"sleep 0.3; exit {number}")
    assert engine.ok("wait", "c0", "c1", "c99").split() == ["0", "1", "99"]
    assert "no such container" in engine.fails("wait", "nosuch")


def test_wait_ends_with_stop(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    waiting = engine.popen("wait", "c")
    time.sleep(0.2)
    assert waiting.poll() is None
    engine.ok("stop", "-t", "0", "c")
    assert waiting.communicate(timeout=10)[0] == b"137\n"


def test_foreground_passes_signals_on(engine: Engine) -> None:
    for name, number in (("INT", 2), ("TERM", 15), ("HUP", 1), ("USR1", 10)):
        process = engine.popen("run", "--rm", *NONE, "busybox", "sh", "-c", TRAP.format(name, 3))
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
        assert (process.returncode, out) == (3, f"got {name}\n".encode())


def test_foreground_without_sig_proxy(engine: Engine) -> None:
    process = engine.popen("run", "--sig-proxy=false", "--name", "c", *NONE, "busybox",
                           "sh", "-c", "echo on; sleep 1000")  # fmt: skip
    assert process.stdout.readline() == b"on\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) in (-15, 143)
    assert engine.ps() == ["c"]


# ---- rm ----


def test_rm(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    message = engine.fails("rm", "c", code=1)
    assert "running" in message and "rm -f" in message
    assert engine.ps() == ["c"]
    assert engine.ok("rm", "-f", "c") == "c"
    assert engine.left() == []
    engine.ok("create", *NONE, "--name", "d", "busybox")
    assert engine.ok("rm", "d") == "d"
    assert "no such container" in engine.fails("rm", "d", code=1)
    assert engine.run("rm", "-f", "d").code == 0


def test_rm_goes_on_after_an_error(engine: Engine) -> None:
    engine.ok("create", *NONE, "--name", "a", "busybox")
    engine.ok("create", *NONE, "--name", "b", "busybox")
    done = engine.run("rm", "a", "nosuch", "b")
    assert done.code == 1 and done.out.split() == ["a", "b"] and "nosuch" in done.err
    assert engine.ps("-a") == []


def test_names_are_free_after_rm(engine: Engine) -> None:
    for _ in range(3):
        engine.ok("run", "--name", "c", *NONE, "busybox", "true")
        engine.ok("rm", "c")


def test_run_with_rm_leaves_nothing(engine: Engine) -> None:
    engine.ok("run", "--rm", *NONE, "busybox", "true")
    assert engine.files() == [], "at the very moment the command returns"
    engine.detached("--rm", "busybox", "sleep", "0.2")
    assert engine.left() == []
    engine.detached("--rm", "--name", "c", "busybox", "sleep", "1000")
    engine.ok("stop", "-t", "0", "c")
    assert engine.ps("-a") == []
    engine.fails("run", "--rm", *NONE, "busybox", "/nope", code=127)
    assert engine.left() == []


def test_a_detached_container_outlives_its_command_and_session(engine: Engine) -> None:
    process = engine.popen("run", "-d", "--name", "c", *NONE, "busybox", "sleep", "1000",
                           start_new_session=True)  # fmt: skip
    process.communicate(timeout=20)
    monitor, pid = engine.pids(engine.inspect("c")["Id"])
    fields = Path(f"/proc/{monitor}/stat").read_text().rpartition(")")[2].split()
    assert int(fields[3]) == monitor or int(fields[3]) != process.pid
    assert int(fields[4]) == 0, "no controlling terminal"
    assert Path(f"/proc/{pid}").exists()


# ---- logs ----


def test_logs_keep_the_streams_apart(engine: Engine) -> None:
    container_id = engine.detached("busybox", "sh", "-c", "echo out; echo err >&2; echo out2")
    engine.ok("wait", container_id)
    done = engine.run("logs", container_id)
    assert (done.code, done.out, done.err) == (0, "out\nout2\n", "err\n")


def test_logs_tail_timestamps_since(engine: Engine) -> None:
    script = "for i in 1 2 3; do echo $i; done; sleep 1.2; echo 4"
    container_id = engine.detached("--name", "c", "busybox", "sh", "-c", script)
    engine.ok("wait", "c")
    assert engine.ok("logs", "--tail", "2", "c").split() == ["3", "4"]
    assert engine.ok("logs", "-n0", "c") == ""
    assert engine.ok("logs", "--tail=all", "c").split() == list("1234")
    assert engine.ok("logs", "--tail=99", "c").split() == list("1234")
    lines = engine.ok("logs", "-t", container_id).split("\n")
    stamp = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (\d)")
    found = [stamp.fullmatch(line) for line in lines]
    assert [m[2] for m in found if m] == list("1234")
    last = found[3][1]  # type: ignore[index]
    before = datetime.fromisoformat(last[:26]).replace(tzinfo=UTC) - timedelta(seconds=0.5)
    assert engine.ok("logs", "--since", before.isoformat(), "c") == "4"
    assert engine.ok("logs", "--until", before.isoformat(), "c").split() == list("123")
    assert engine.ok("logs", "--since", "10m", "c").split() == list("1234")
    assert engine.ok("logs", "--since", str(int(before.timestamp()) + 60), "c") == ""
    engine.fails("logs", "--tail", "x", "c")
    engine.fails("logs", "--since", "yesterday-ish", "c")
    engine.fails("logs", "nosuch")


def test_logs_follow_to_the_end(engine: Engine) -> None:
    script = "for i in $(seq 20); do echo line $i; sleep 0.05; done"
    engine.detached("--name", "c", "busybox", "sh", "-c", script)
    done = engine.run("logs", "-f", "c")
    assert done.code == 0 and done.out == "".join(f"line {n}\n" for n in range(1, 21))
    assert engine.run("logs", "-f", "--tail", "1", "c").out == "line 20\n"


def test_logs_follow_can_be_interrupted(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sh", "-c", "echo on; sleep 1000")
    process = engine.popen("logs", "-f", "c")
    assert process.stdout.readline() == b"on\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) in (130, -2) and not process.stderr.read()


def test_logs_rotate(engine: Engine) -> None:
    script = "i=0; while [ $i -lt 20000 ]; do echo line number $i; i=$((i+1)); done"
    options = ("--log-opt", "max-size=200k", "--log-opt", "max-file=3")
    container_id = engine.detached(*options, "busybox", "sh", "-c", script)
    engine.ok("wait", container_id)
    directory = engine.root / "containers" / container_id
    sizes = [p.stat().st_size for p in directory.glob("container.log*")]
    assert len(sizes) == 3 and max(sizes) < 210_000 and sorted(sizes)[1] > 150_000
    numbers = [int(line.split()[2]) for line in engine.ok("logs", container_id).split("\n")]
    assert numbers == list(range(numbers[0], 20000)) and numbers[0] > 0
    assert engine.ok("logs", "--tail", "5000", container_id).count("\n") == 4999
    for bad in ("max-size=x", "max-file=0", "odd=1"):
        engine.fails("create", *NONE, "--log-opt", bad, "busybox")


def test_logs_follow_through_rotation(engine: Engine) -> None:
    script = "i=0; while [ $i -lt 6000 ]; do echo line number $i; i=$((i+1)); done; sleep 0.3"
    engine.detached("--name", "c", "--log-opt", "max-size=2m", "--log-opt", "max-file=2",
                    "busybox", "sh", "-c", f"sleep 0.3; {script}")  # fmt: skip
    out = engine.run("logs", "-f", "c").out
    assert out == "".join(f"line number {n}\n" for n in range(6000))


def test_no_log(engine: Engine) -> None:
    done = engine.run("run", "--name", "c", "--log-driver", "none", *NONE, "busybox", "echo", "x")
    assert done.out == "x\n"
    assert engine.run("logs", "c").out == ""


def test_log_that_became_a_link_is_not_followed(engine: Engine) -> None:
    canary = engine.home / "canary"
    canary.write_text("untouched")
    container_id = engine.ok("create", *NONE, "--name", "c", "busybox", "echo", "spill")
    (engine.root / "containers" / container_id / "container.log").symlink_to(canary)
    assert engine.run("start", "c").code != 0
    assert canary.read_text() == "untouched"


# ---- attach ----


def test_attach(engine: Engine) -> None:
    engine.detached("-i", "--name", "c", "busybox", "sh", "-c", "read x; echo read $x; exit 8")
    done = engine.run("attach", "c", input="hello\n")
    assert (done.code, done.out) == (8, "read hello\n")
    assert "not running" in engine.fails("attach", "c")


def test_two_attached(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sh", "-c", "sleep 2; echo both; exit 2")
    watchers = [engine.popen("attach", "c") for _ in range(2)]
    for process in watchers:
        out, _ = process.communicate(timeout=20)
        assert (process.returncode, out) == (2, b"both\n")


# ---- names ----


def test_names_and_ids(engine: Engine) -> None:
    container_id = engine.ok("create", *NONE, "--name", "some.na-me_1", "busybox")
    for text in ("some.na-me_1", container_id, container_id[:12], container_id[:3]):
        assert engine.inspect(text)["Id"] == container_id
    message = engine.fails("create", *NONE, "--name", "some.na-me_1", "busybox", code=1)
    assert "in use" in message and container_id[:12] in message
    assert re.fullmatch(
        "[a-z]+_[a-z]+", engine.inspect(engine.ok("create", *NONE, "busybox"))["Name"][1:]
    )


@pytest.mark.parametrize(
    "name", ["", "-x", "a/b", "..", "a b", "a\nb", "\x1b[31m", "é", "a" * 254, ".a", "a:b", "_a"]
)
def test_bad_names(engine: Engine, name: str) -> None:
    done = engine.run("create", *NONE, f"--name={name}", "busybox")
    if name == "":
        assert done.code == 0, "as docker: no name means a generated one"
        return
    assert done.code == 125 and done.err.count("\n") == 1
    assert "\x1b" not in done.err
    assert engine.ps("-a") == []
