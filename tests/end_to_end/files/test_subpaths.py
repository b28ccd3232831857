"""--mount volume-subpath: a part of a volume, which containers have written."""

from __future__ import annotations

from pathlib import Path

from engine import Engine

NONE = ("--network", "none")


def fill(engine: Engine, script: str) -> None:
    engine.ok("run", "--rm", *NONE, "-v", "data:/d", "busybox", "sh", "-ec", f"cd /d; {script}")


def mounted(part: str, more: str = "") -> tuple[str, ...]:
    return ("run", "--rm", *NONE, "--mount",
            f"type=volume,src=data,dst=/m,volume-subpath={part}{more}", "busybox")  # fmt: skip


def test_a_directory_and_a_file(engine: Engine) -> None:
    fill(engine, "mkdir -p a/b; echo deep > a/b/f; echo top > f")
    assert engine.ok(*mounted("a/b"), "ls", "/m") == "f"
    assert engine.ok(*mounted("a/b/f"), "cat", "/m") == "deep"
    engine.ok(*mounted("a/b"), "sh", "-c", "echo more > /m/g")
    fill(engine, "cat a/b/g | grep more")
    done = engine.run(*mounted("a", ",readonly"), "touch", "/m/x")
    assert done.code == 1 and "ead-only" in done.err
    engine.ok("create", "--name", "c", *mounted("a")[2:])
    assert engine.inspect("c")["Mounts"][0]["Name"] == "data"
    assert "no such file" in engine.fails(*mounted("nosuch"), "true")
    for bad in ("../x", "/a", "a/../../x"):
        assert "within the volume" in engine.fails(*mounted(bad), "true"), bad


def test_links_lead_nowhere_else(engine: Engine) -> None:
    canary = engine.home / "canary-of-subpaths"
    canary.mkdir(mode=0o777)
    canary.chmod(0o777)
    fill(engine, f"ln -s {canary} out; ln -s / top; ln -s ../../../../../..{canary} up; mkdir in; "
                 "ln -s in good; echo here > in/f")  # fmt: skip
    for part in ("out", "up"):
        done = engine.run(*mounted(part), "touch", "/m/got-out")
        assert done.code == 125 and "no such file" in done.err, done
    assert "in" in engine.ok(*mounted("top"), "ls", "/m").split()
    assert engine.ok(*mounted("good"), "cat", "/m/f") == "here"
    assert not list(Path(canary).iterdir())
    canary.rmdir()
