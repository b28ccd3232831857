"""A log on a full disk: what is lost is told, and nothing else is lost for it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine, wait_for
from full_disk import fill, small_disk

WRITER = "i=0; while read n; do m=$((i+n)); while [ $i -lt $m ]; do i=$((i+1)); echo $i; done; done"
"""Prints as many more numbers as its input says."""


@pytest.fixture
def small(fresh: Callable[[str], Engine], engine: Engine) -> Iterator[Engine]:
    made = fresh("user" if engine.rootless else "root")
    with small_disk(made, made.root):
        made.ok("pull", "-q", "busybox")
        yield made


class Writer:
    """A container that writes numbers when it is told to."""

    def __init__(self, engine: Engine, *options: str) -> None:
        self.engine = engine
        self.id = engine.detached("--name", "c", "-i", *options, "busybox", "sh", "-c", WRITER)
        self.input = engine.popen("attach", "c", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.count = 0

    def write(self, count: int) -> None:
        self.input.stdin.write(f"{count}\n".encode())
        self.input.stdin.flush()
        self.count += count
        while int(self.input.stdout.readline()) != self.count:
            continue

    def end(self) -> None:
        self.input.stdin.close()
        self.input.wait(timeout=20)
        self.engine.ok("wait", "c")


def numbers(text: str) -> list[int]:
    return list(map(int, text.split()))


def missing(told: str) -> list[int]:
    """How many lines each warning says are missing."""
    line = (
        r"crunpy: warning: log of container c: (a|\d+) lines? (is|are) missing "
        r"(at its end|before \S+): the disk was full"
    )
    found = [re.fullmatch(line, text) for text in told.splitlines()]
    assert all(found), told
    return [1 if f[1] == "a" else int(f[1]) for f in found if f]


@pytest.mark.parametrize("driver", ["json-file", "k8s-file"])
def test_lines_in_the_middle(small: Engine, driver: str) -> None:
    """Told where they are missing, and what comes when there is room again is whole."""
    writer = Writer(small, "--log-driver", driver)
    writer.write(10)
    filler = fill(small.root)
    writer.write(500)
    done = small.run("logs", "c")
    assert "missing at its end: the disk was full" in done.err, "while it is so"
    filler.unlink()
    writer.write(10)
    # the monitor hears of the room a moment after the log has its line about it
    wait_for(lambda: "at its end" not in small.run("logs", "c").err, 5)
    done = small.run("logs", "c")
    found = numbers(done.out)
    assert found[:10] == list(range(1, 11)) and found[-10:] == list(range(511, 521))
    assert found == sorted(set(found))
    assert sum(missing(done.err)) == 520 - len(found) > 0
    tail = small.run("logs", "--tail", "3", "c")
    assert (numbers(tail.out), tail.err) == ([518, 519, 520], "")
    writer.end()


@pytest.mark.parametrize("driver", ["json-file", "k8s-file"])
def test_the_last_lines(small: Engine, driver: str) -> None:
    """Told by what was noted of the end, and by the log when it is started again."""
    writer = Writer(small, "--log-driver", driver)
    writer.write(10)
    filler = fill(small.root)
    writer.write(500)
    writer.end()
    for _ in range(2):
        done = small.run("logs", "c")
        found = numbers(done.out)
        assert found == list(range(1, len(found) + 1))
        assert missing(done.err) == [510 - len(found)]
        assert small.run("logs", "-n", "1", "c").out == f"{len(found)}\n"
        filler.unlink(missing_ok=True)
    assert small.state("c")["ExitCode"] == 0
    small.ok("start", "c")
    again = small.run("logs", "c")
    assert missing(again.err) == [510 - len(found)]
    assert numbers(again.out) == found
    small.ok("rm", "-f", "c")


def test_a_rotation_without_room_for_a_new_file(root: Engine) -> None:
    """The log goes on when there is room for files again."""
    place = root.home / "few"
    made = Engine(place, root.user, Path(root.env["CONTAINERS_REGISTRIES_CONF"]), root.registry)
    made.ok("pull", "-q", "busybox")
    writer = Writer(made, "--log-opt", "max-size=16k", "--log-opt", "max-file=2")
    writer.write(10)
    log = made.root / "containers" / writer.id
    moved = made.home / "elsewhere"
    log.rename(moved)  # no file can be made below the log's path
    writer.write(600)
    moved.rename(log)
    writer.write(10)
    done = made.run("logs", "c")
    assert numbers(done.out)[-10:] == list(range(611, 621))
    assert missing(done.err)
    writer.end()
    made.clean()
