"""Standard streams that are pipes: nothing lost, nothing mixed, every end passed on."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from engine import Engine, wait_for
from flood import MAX_FILE, MAX_SIZE, SLACK, flood

NONE = ("run", "--rm", "--network", "none")


def test_ten_megabytes_through(engine: Engine) -> None:
    data = os.urandom(10 << 20)
    done = engine.run(*NONE, "-i", "busybox", "cat", input=data)
    assert done.code == 0 and not done.err
    assert hashlib.sha256(done.raw).digest() == hashlib.sha256(data).digest()


def test_hundred_megabytes_out(engine: Engine) -> None:
    process = engine.popen(
        *NONE, "--log-driver", "none", "busybox", "sh", "-c", "dd if=/dev/zero bs=1M count=100"
    )
    size = 0
    while data := os.read(process.stdout.fileno(), 1 << 20):
        size += len(data)
    assert process.wait(30) == 0 and size == 100 << 20
    assert b"records out" in process.stderr.read()


def test_streams_stay_apart(engine: Engine) -> None:
    script = "i=0; while [ $i -lt 2000 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done"
    done = engine.run(*NONE, "busybox", "sh", "-c", script)
    assert done.out == "".join(f"out{n}\n" for n in range(2000))
    assert done.err == "".join(f"err{n}\n" for n in range(2000))


def test_bytes_are_not_touched(engine: Engine) -> None:
    data = bytes(range(256)) * 40
    assert engine.run(*NONE, "-i", "busybox", "cat", input=data).raw == data


def test_without_i_there_is_no_input(engine: Engine) -> None:
    done = engine.run(*NONE, "busybox", "sh", "-c", "cat; echo end", input=b"text")
    assert done.out == "end\n"


def test_end_of_input_is_passed_on(engine: Engine) -> None:
    process = engine.popen(*NONE, "-i", "busybox", "sh", "-c", "cat; echo end; sleep 0.3; echo x",
                           stdin=subprocess.PIPE)  # fmt: skip
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"one\n"
    process.stdin.close()
    assert process.stdout.read() == b"end\nx\n" and process.wait(10) == 0


def test_input_that_nobody_reads(engine: Engine) -> None:
    assert engine.run(*NONE, "-i", "busybox", "true", input=bytes(4 << 20)).code == 0
    done = engine.run(*NONE, "-i", "busybox", "head", "-c", "5", input=b"x" * (1 << 20))
    assert (done.code, done.out) == (0, "xxxxx")


def test_input_that_stays_open_does_not_keep_us(engine: Engine) -> None:
    reader, writer = os.pipe()
    started = time.monotonic()
    done = engine.popen(*NONE, "-i", "busybox", "echo", "done", stdin=reader)
    out, _ = done.communicate(timeout=20)
    os.close(reader)
    os.close(writer)
    assert out == b"done\n" and time.monotonic() - started < 15


def test_closed_standard_streams(engine: Engine) -> None:
    command = " ".join(f"'{w}'" for w in engine.command(*NONE, "busybox", "sh", "-c", "exit 4"))
    done = subprocess.run(["sh", "-c", f"exec {command} <&- >&- 2>&-"], timeout=10)
    assert done.returncode == 4


def test_slow_reader_loses_nothing(engine: Engine) -> None:
    script = "i=0; while [ $i -lt 40000 ]; do echo line $i of a long text; i=$((i+1)); done"
    process = engine.popen(*NONE, "busybox", "sh", "-c", script)
    time.sleep(1)  # the container has ended or waits by now: pipes and sockets are full
    out = process.stdout.read().decode()
    assert process.wait(20) == 0
    assert out == "".join(f"line {n} of a long text\n" for n in range(40000))


def test_reader_that_goes_away(engine: Engine) -> None:
    process = engine.popen(*NONE, "--name", "c", "busybox", "yes")
    assert os.read(process.stdout.fileno(), 2) == b"y\n"
    process.stdout.close()
    # the container's writes fail as in any pipeline; the exit status is its own
    assert process.wait(20) == 1
    assert engine.ps("-a") == []


def test_output_without_a_newline_at_the_end(engine: Engine) -> None:
    container_id = engine.detached("busybox", "printf", "no newline")
    engine.ok("wait", container_id)
    assert engine.run("logs", container_id).out == "no newline"
    assert engine.run(*NONE, "busybox", "printf", "no newline").out == "no newline"


def test_attach_to_some_streams(engine: Engine) -> None:
    script = "echo out; echo err >&2"
    done = engine.run(*NONE, "-a", "stderr", "busybox", "sh", "-c", script)
    assert (done.out, done.err) == ("", "err\n")


def test_a_stopped_client_does_not_stop_a_detached_container(engine: Engine) -> None:
    container_id = engine.detached("busybox", "sh", "-c", "while :; do echo tick; done")
    process = engine.popen("attach", "--no-stdin", container_id)
    assert process.stdout.readline() == b"tick\n"
    # the client takes no more; the log must go on
    log = engine.root / "containers" / container_id / "container.log"
    wait_for(lambda: log.stat().st_size > 1 << 20)
    size = log.stat().st_size
    wait_for(lambda: log.stat().st_size != size)
    process.kill()


def test_a_stopped_foreground_client_does_not_delay_kill_and_rm(engine: Engine) -> None:
    """Ctrl-Z on a `run` whose output flows: it must lose nothing, but nobody waits for it."""
    flood = "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done"
    for command in (("kill", "web"), ("rm", "-f", "web")):
        client = engine.popen("run", "--network", "none", "--name", "web", "busybox", "sh",
                              "-c", flood, stdout=subprocess.DEVNULL)  # fmt: skip
        wait_for(lambda: engine.run("container", "exists", "web").code == 0)
        wait_for(lambda: engine.state("web")["Running"])
        client.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        began = time.monotonic()
        engine.ok(*command)
        assert time.monotonic() - began < 5
        client.send_signal(signal.SIGCONT)
        assert client.wait(timeout=20) == 137
        engine.run("rm", "-f", "web")


def test_a_flood_of_output(engine: Engine) -> None:
    """Two million lines, then one of 40 MB without an end, while a client stands still (R9):
    nothing waits, the log keeps to its size, and who reads it to its memory."""
    found = flood(engine, "seq 2000000; head -c 40000000 /dev/zero | tr '\\0' x")
    assert 8 << 20 < found.disk < MAX_FILE * (MAX_SIZE + SLACK)
    assert found.memory_kib < 4096
    wait_for(lambda: engine.ok("logs", "--tail", "1", found.container).endswith("xxx"))
    assert re.fullmatch("x{7000000,}", engine.run("logs", found.container).out)


def test_a_flood_gets_a_wide_pipe(engine: Engine) -> None:
    """Its writer and who reads it would wait for each other all the time; others keep the usual."""
    script = "sleep 0.3; head -c 9000000 /dev/zero >&2; echo done; sleep 1000"
    container_id = engine.detached("busybox", "sh", "-c", script)
    init, reader = engine.pids(container_id)[1], engine.streams(container_id)
    engine.logs_until(container_id, "done")

    def size(stream: int) -> int:
        """Of the pipe that is `stream` of the container, seen from the other end."""
        target = os.readlink(f"/proc/{init}/fd/{stream}")
        for fd in Path(f"/proc/{reader}/fd").iterdir():
            if os.readlink(fd) == target:
                with open(fd, "rb", opener=lambda p, f: os.open(p, f | os.O_NONBLOCK)) as pipe:
                    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
        pytest.fail("nobody has such a pipe")

    assert (size(1), size(2)) == (64 << 10, 512 << 10)


def test_a_flood_of_lines_is_kept_in_order(engine: Engine) -> None:
    container_id = engine.detached("--log-opt", "max-size=4m", "--log-opt", "max-file=3",
                                   "busybox", "seq", "1000000")  # fmt: skip
    engine.ok("wait", container_id)
    numbers = list(map(int, engine.ok("logs", container_id).split()))
    assert numbers == list(range(numbers[0], 1000001)) and len(numbers) > 100000
