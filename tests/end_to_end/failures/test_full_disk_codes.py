"""Exit codes on a full disk: how a container ended is told although nothing can be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine, wait_for
from full_disk import fill, small_disk

NONE = ("--network", "none")


@pytest.fixture(params=["all", "root"])
def full(
    request: pytest.FixtureRequest, fresh: Callable[[str], Engine], engine: Engine
) -> Iterator[tuple[Engine, Path]]:
    """An engine with three containers, whose disk has no byte left; and the file that has them.

    all: the run directory is on it as well; root: only what stays after a boot.
    """
    made = fresh("user" if engine.rootless else "root")
    top = made.home if request.param == "all" else made.root
    with small_disk(made, top):
        made.ok("pull", "-q", "busybox")
        for name in "abc":
            made.detached("--name", name, "busybox", "sh", "-c",
                          "trap 'exit 7' TERM; while :; do sleep 0.02; done")  # fmt: skip
        filler = fill(top)
        yield made, filler
        filler.unlink(missing_ok=True)


def codes(engine: Engine, name: str) -> tuple[int, str]:
    return engine.state(name)["ExitCode"], engine.ok("wait", name)


def test_an_end_is_told(full: tuple[Engine, Path]) -> None:
    """kill, stop and an end of its own; asked at once, again, and when there is room again."""
    engine, filler = full
    engine.ok("kill", "b")
    assert engine.ok("wait", "b") == "137"
    engine.ok("stop", "-t", "10", "a")
    engine.ok("kill", "-s", "TERM", "c")
    assert engine.ok("wait", "c") == "7"
    for _ in range(2):
        assert codes(engine, "b") == (137, "137")
        assert codes(engine, "a") == (7, "7")
        assert codes(engine, "c") == (7, "7")
        shown = engine.ok("ps", "-a", "--format", "{{.Names}} {{.Status}}").split("\n")
        assert sorted(line[: line.index(")") + 1] for line in shown) == [
            "a Exited (7)", "b Exited (137)", "c Exited (7)",
        ]  # fmt: skip
        filler.unlink(missing_ok=True)
    engine.ok("start", "b")
    engine.ok("kill", "b")
    assert engine.ok("wait", "b") == "137"


def test_while_somebody_waits(full: tuple[Engine, Path]) -> None:
    engine, _ = full
    waiting = engine.popen("wait", "b")
    wait_for(lambda: engine.state("b")["Status"] == "running")
    engine.ok("kill", "b")
    assert waiting.communicate(timeout=20)[0] == b"137\n"
    assert engine.ok("rm", "-f", "a", "b", "c").split() == ["a", "b", "c"]
