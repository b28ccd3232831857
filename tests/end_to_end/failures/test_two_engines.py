"""Two engines with one store, as jobs have that share a volume: each sees its own run directory
alone, and leaves alone what runs with the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine import Engine


@pytest.fixture
def other(engine: Engine, tmp_path: Path) -> dict[str, str | None]:
    """The environment of the other engine's commands."""
    if not engine.user:
        return {"CRUNPY_RUNROOT": str(tmp_path / "run")}
    place = engine.home / "other-run"
    return {"CRUNPY_RUNROOT": str(place)}


def test_what_runs_elsewhere_is_left_alone(
    engine: Engine, other: dict[str, str | None], tmp_path: Path
) -> None:
    engine.detached("--rm", "--name", "gone", "busybox", "sleep", "1000")
    engine.detached("--name", "kept", "busybox", "sleep", "1000")
    # a first sweep, which after a reboot removes what --rm left
    engine.ok("run", "--rm", "--network", "none", "busybox", "true", env=other)
    shown = engine.ok("ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}", env=other)
    assert shown.splitlines() == ["kept unknown Running with another engine",
                                  "gone unknown Running with another engine"]  # fmt: skip
    assert engine.ok("ps", "-aq", "--filter", "status=exited", "--filter", "status=created",
                     env=other) == ""  # fmt: skip
    assert engine.ok("ps", "-q", env=other) == ""
    about = engine.ok("inspect", "-f", "{{.State.Status}} {{.State.Running}}", "kept", env=other)
    assert about == "unknown false"
    assert engine.ok("ps", "--format", "{{.State}}").splitlines() == ["running"] * 2
    for name in ("gone", "kept"):
        said = engine.fails("rm", "-f", name, code=1, env=other)
        assert f"container {name}: it runs with another engine" in said
    assert "it runs with another engine" in engine.fails("start", "kept", code=1, env=other)
    engine.ok("container", "prune", "-f", env=other)
    engine.ok("system", "prune", "-f", env=other)
    assert "another engine" in engine.fails("system", "reset", "-f", env=other)
    assert engine.ok("exec", "gone", "echo", "there") == "there"
    assert engine.ok("exec", "kept", "echo", "there") == "there"
    engine.ok("stop", "-t", "0", "gone", "kept")
    assert engine.ps("-a") == ["kept"]
    ended = engine.ok("ps", "-a", "--format", "{{.State}}", env=other)
    assert ended == engine.ok("ps", "-a", "--format", "{{.State}}") == "exited"
    assert engine.ok("start", "kept", env=other) == "kept"  # nobody has it any more
    assert "another engine" in engine.fails("start", "kept", code=1)
    engine.ok("rm", "-f", "-t", "0", "kept", env=other)
    assert not engine.left()


def test_one_that_has_ended_starts_again_at_once(engine: Engine) -> None:
    """Its monitor, which may still be at it, has let go."""
    engine.ok("run", "--network", "none", "--name", "c", "busybox", "true")
    for _ in range(5):
        assert engine.ok("start", "-a", "c") == ""
    engine.ok("rm", "c")
