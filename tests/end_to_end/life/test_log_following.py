"""logs: following over truncation and rotation, long lines as one line, points in time."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest
from engine import Engine, wait_for

COUNT = 'i=0; while [ $i -lt {n} ]; do i=$((i+1)); echo "{pad} $i"; done; echo END; {then}'


def numbers(text: str) -> list[int]:
    return [int(line.split()[-1]) for line in text.splitlines() if line.split()[-1:] != ["END"]]


def follow(engine: Engine, *options: str) -> tuple[subprocess.Popen[bytes], Any]:
    """`logs -f` of c into a file; the process that reads, and the file's path."""
    path = engine.home / "followed"
    with path.open("wb") as out:
        return engine.popen("logs", "-f", *options, "c", stdout=out, stderr=out), path


def test_truncation(engine: Engine) -> None:
    """What a user's `truncate` takes is gone; what comes after it is shown."""
    script = "echo first; while :; do sleep 0.2; echo tick $((i=i+1)); done"
    container = engine.detached("--name", "c", "busybox", "sh", "-c", script)
    client, path = follow(engine)
    wait_for(lambda: b"tick 2" in path.read_bytes())
    os.truncate(engine.root / "containers" / container / "container.log", 0)
    before = path.stat().st_size
    wait_for(lambda: path.read_bytes()[before:].count(b"tick") >= 4, timeout_s=5)
    found = numbers(path.read_text().partition("first\n")[2])
    assert found == sorted(set(found)), found
    assert client.poll() is None
    path.unlink()


def test_several_rotations_between_two_looks(engine: Engine) -> None:
    """A reader that was away for three files finds all that is still there."""
    script = COUNT.format(n=3000, pad="x" * 60, then="sleep 1000")
    limits = ("--log-opt", "max-size=64k", "--log-opt", "max-file=20")
    engine.detached("--name", "c", *limits, "busybox", "sh", "-c",
                    f"mkfifo /go; echo 0; read x < /go; {script}")  # fmt: skip
    client, path = follow(engine)
    wait_for(lambda: path.read_bytes() == b"0\n")
    pids = [int(line.split()[0]) for line in engine.processes() if " logs -f c" in line]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    engine.ok("exec", "c", "sh", "-c", "echo > /go")
    engine.logs_until("c", "END")
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: b"END" in path.read_bytes(), timeout_s=10)
    assert numbers(engine.ok("logs", "c")) == list(range(3001))
    assert numbers(path.read_text()) == list(range(3001))
    assert client.poll() is None
    path.unlink()


def test_following_while_it_rotates(engine: Engine) -> None:
    script = COUNT.format(n=3000, pad="x" * 60, then="true")
    engine.ok("create", "--network", "none", "--name", "c", "--log-opt", "max-size=32k",
              "--log-opt", "max-file=50", "busybox", "sh", "-c", script)  # fmt: skip
    engine.ok("start", "c")
    client, path = follow(engine)
    assert client.wait(timeout=20) == 0
    assert numbers(path.read_text()) == list(range(1, 3001))
    path.unlink()


def test_tail_counts_lines(engine: Engine) -> None:
    """A line of 100 kB is kept in pieces and is one line all the same."""
    script = "for c in a b d; do head -c 100000 /dev/zero | tr '\\0' $c; echo; done; echo last"
    engine.ok("run", "--name", "c", "--network", "none", "busybox", "sh", "-c", script)
    for n, expected in ((1, "last"), (2, "d" * 100000 + "\nlast"),
                        (3, "\n".join(["b" * 100000, "d" * 100000, "last"]))):  # fmt: skip
        assert engine.ok("logs", "--tail", n, "c") == expected, n
    assert engine.ok("logs", "--tail", "0", "c") == ""
    assert len(engine.ok("logs", "--tail", "all", "c").splitlines()) == 4
    assert len(engine.ok("logs", "--tail", "-1", "c").splitlines()) == 4
    stamped = engine.ok("logs", "-t", "--tail", "2", "c").splitlines()
    assert len(stamped) == 2 and stamped[0].endswith(" " + "d" * 100000)


def test_tail_over_rotated_files(engine: Engine) -> None:
    script = COUNT.format(n=2000, pad="y" * 60, then="true")
    engine.ok("run", "--name", "c", "--network", "none", "--log-opt", "max-size=32k", "--log-opt",
              "max-file=50", "busybox", "sh", "-c", script)  # fmt: skip
    for n in (1, 10, 1500, 2000):
        assert numbers(engine.ok("logs", "--tail", n + 1, "c")) == list(range(2001 - n, 2001))


def test_points_in_time_in_all_combinations(engine: Engine) -> None:
    """Each line's own time decides, whatever else is asked for."""
    engine.ok("run", "--name", "c", "--network", "none", "busybox", "sh", "-c",
              "for i in 1 2 3 4 5 6; do echo $i; sleep 0.05; done")  # fmt: skip
    stamps = [line.split()[0] for line in engine.ok("logs", "-t", "c").splitlines()]
    options: dict[str, list[str]] = {
        "": [], "since": ["--since", stamps[2]], "until": ["--until", stamps[4]],
        "tail": ["--tail", "2"], "follow": ["-f"],
    }  # fmt: skip
    for since in ("", "since"):
        for until in ("", "until"):
            for tail in ("", "tail"):
                for more in ("", "follow"):
                    # as Docker: the last lines, and of those the ones of that time
                    expected = [
                        n for n in range(5 if tail else 1, 7)
                        if n >= (3 if since else 0) and n <= (5 if until else 6)
                    ]  # fmt: skip
                    words = [w for key in (since, until, tail, more) for w in options[key]]
                    found = numbers(engine.ok("logs", *words, "c", timeout=10))
                    assert found == expected, words


@pytest.mark.parametrize("options", [["--tail", "2"], ["--tail", "0"], ["--since", "0s"]])
def test_following_from_the_end(engine: Engine, options: list[str]) -> None:
    script = "mkfifo /go; for i in 1 2 3; do echo $i; done; read x < /go; echo 4; echo END"
    engine.detached("--name", "c", "busybox", "sh", "-c", script)
    engine.logs_until("c", "3")
    client, path = follow(engine, *options)
    if options == ["--tail", "2"]:
        wait_for(lambda: b"3" in path.read_bytes())
    else:
        wait_for(lambda: any(" logs -f " in line for line in engine.processes()))
        engine.ok("exec", "c", "sleep", "0.5")
    engine.run("exec", "c", "sh", "-c", "echo > /go")  # it may end before we do
    assert client.wait(timeout=10) == 0
    assert numbers(path.read_text()) == ([2, 3, 4] if options == ["--tail", "2"] else [4])
    path.unlink()
