"""What a power cut may take: nothing has a name in the store that could be lost behind it."""

from __future__ import annotations

import os
import platform
import random
import re
import shutil
from pathlib import Path

import pytest
from engine import Engine, skip_if_missing
from power import Machine
from victims import reboot

CALLS = "rename,renameat,renameat2,syncfs,fsync"


def traced(engine: Engine, *words: object, **more: str) -> list[str]:
    """The calls that give names or write out, of a command that must succeed."""
    skip_if_missing("strace")
    out = engine.home / "trace"
    out.touch(mode=0o666)
    done = engine.run(*words, wrap=["strace", "-f", "-yy", "-o", str(out), "-e", f"trace={CALLS}"],
                      **more)  # type: ignore[arg-type]  # fmt: skip
    assert done.code == 0, done.err
    return out.read_text().splitlines()


def unsynced(lines: list[str]) -> list[str]:
    """Blobs and layers that get their names after the last syncfs, without an fsync before."""
    last = max((n for n, line in enumerate(lines) if "syncfs(" in line), default=-1)
    synced = {found[1] for line in lines if (found := re.search(r"fsync\(\d+<(.*?)>", line))}
    found = []
    for line in lines[last + 1 :]:
        names = re.findall(r'"([^"]*)"', line)
        if "rename" in line and len(names) == 2 and names[0] not in synced:
            found += [name for name in names[1:] if "/blobs/" in name or "/layers/" in name]
    return found


@pytest.mark.parametrize("verb", ["pull", "load", "import", "commit", "build", "manifest"])
def test_what_an_image_is_made_of_is_written_out_first(
    root: Engine, verb: str, tmp_path: Path
) -> None:
    root.ok("create", "--network", "none", "--name", "c", "busybox")
    root.ok("save", "-q", "-o", tmp_path / "saved.tar", "busybox")
    root.ok("export", "-o", tmp_path / "tree.tar", "c")
    words: dict[str, tuple[object, ...]] = {
        "pull": ("pull", "-q", "busybox"), "load": ("load", "-q", "-i", tmp_path / "saved.tar"),
        "import": ("import", "-q", tmp_path / "tree.tar", "made"),
        "commit": ("commit", "-q", "c", "made"), "manifest": ("manifest", "create", "made"),
        "build": ("build", "-q", "--network", "none", "-t", "made", "-"),
    }  # fmt: skip
    if verb in ("pull", "load"):
        root.ok("rm", "c")
        root.ok("rmi", "-f", "busybox")
    input = {"input": "FROM busybox\nRUN echo x > /x\n"} if verb == "build" else {}
    lines = traced(root, *words[verb], **input)
    assert any("/blobs/" in line for line in lines)
    assert unsynced(lines) == []
    if verb in ("pull", "load"):
        root.ok("pull", "-q", "busybox")
    else:
        root.ok(
            "manifest" if verb == "manifest" else "rmi", *(["rm"] * (verb == "manifest")), "made"
        )
    root.ok("builder", "prune", "-a", "-f")


def notes(engine: Engine) -> list[Path]:
    directory = engine.root / "images/.unsettled"
    return [p for p in directory.iterdir() if p.name[0] != "."] if directory.exists() else []


@pytest.mark.parametrize("way", ["pull", "build", "commit"])
def test_what_was_not_written_out_is_not_believed(engine: Engine, way: str) -> None:
    """Killed when all has its name and before the sync; then the power is cut: of the new files the
    names are there and not what was in them."""
    skip_if_missing("strace")
    engine.ok("create", "--network", "none", "--name", "c", "busybox")
    context = engine.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo text > /made\n")
    context.chmod(0o755)
    (context / "made").write_text("text\n")
    (context / "made").chmod(0o644)
    engine.ok("cp", context / "made", "c:/made")
    words: dict[str, tuple[object, ...]] = {
        "pull": ("pull", "-q", "busybox"), "commit": ("commit", "-q", "c", "made"),
        "build": ("build", "-q", "--network", "none", "-t", "made", context),
    }  # fmt: skip
    if way == "pull":
        engine.ok("rm", "c")
        engine.ok("rmi", "-f", "busybox")
    kept = {p.name for p in (engine.root / "layers").iterdir()}
    assert notes(engine) == []
    for calls in ("syncfs:signal=KILL:when=1", "fsync:signal=KILL:when=1+"):
        # one may be hit while the layer is still unpacked; the index is written with fsync
        engine.run(*words[way], wrap=["strace", "-f", "-o", "/dev/null", "-e", "trace=syncfs,fsync",
                                      "-e", f"inject={calls}"])  # fmt: skip
        if notes(engine):
            break
    left = notes(engine)
    assert left, "what has its name is noted"
    for path in left:
        path.write_bytes(b"")
        kind, _, digits = path.name.partition("-")
        if kind == "blob":
            os.truncate(engine.root / "images/blobs/sha256" / digits, 0)
        elif digits not in kept:
            for file in (engine.root / "layers" / digits / "diff").rglob("*"):
                if file.is_file() and not file.is_symlink():
                    os.truncate(file, 0)
    told = engine.run("system", "check").out
    assert all(line.startswith("leftover ") for line in told.splitlines()), told
    engine.ok(*words[way])
    assert notes(engine) == []
    name = "busybox" if way == "pull" else "made"
    shown = engine.ok("run", "--rm", "--network", "none", name, "cat",
                      "/etc/passwd" if way == "pull" else "/made")  # fmt: skip
    assert shown.startswith("root:" if way == "pull" else "text")
    assert engine.run("system", "check", "--repair").code == 0
    engine.ok("pull", "-q", "busybox")
    engine.run("rmi", "-f", "made")
    engine.ok("builder", "prune", "-a", "-f")


@pytest.mark.parametrize("lost", ["container.json", "config.json", ""])
def test_containers_that_would_have_gone(engine: Engine, lost: str) -> None:
    """--rm, and the power is cut: the next command that makes or removes one sweeps what ran, and
    what is without its content; what was made for later and is whole stays."""
    words = ("--network", "none", "busybox", "sleep", "1000")
    kept = engine.ok("create", "--rm", "--name", "made", "-v", "/anonymous", *words)
    ran = engine.ok("run", "-d", "--rm", "--name", "ran", *words)
    other = engine.ok("create", "--name", "other", *words)
    reboot(engine)
    for container_id in (kept, ran):
        if lost:
            os.truncate(engine.root / "containers" / container_id / lost, 0)
    told = engine.run("system", "check").out.splitlines()
    assert [line.split()[0] for line in told] == ["leftover"], "they are no damage"
    engine.ok("run", "--rm", "--name", "ran", "--network", "none", "busybox", "true")
    assert engine.ps("-a") == (["other"] if lost else ["made", "other"])
    left = {p.name for p in (engine.root / "containers").iterdir()} - {".names", ".lock"}
    assert left == ({other} if lost else {kept, other})
    if not lost:
        assert engine.ok("start", "made") == "made"
    engine.ok("rm", "-f", "-t0", "-a")
    assert engine.left() == []


def test_containers_of_this_boot_stay(engine: Engine) -> None:
    """Also where this is the first look: one that is made, and one that runs."""
    engine.ok("create", "--rm", "--name", "made", "--network", "none", "busybox", "true")
    engine.detached("--rm", "--name", "runs", "busybox", "sleep", "1000")
    (engine.run_root / "swept").unlink()
    engine.ok("create", "--name", "other", "--network", "none", "busybox", "true")
    assert engine.ps("-a") == ["made", "runs", "other"]
    engine.ok("rm", "-f", "-t0", "-a")
    assert engine.left() == []


@pytest.mark.timeout(400)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the guest is x86_64")
def test_the_power_is_cut(base: Path) -> None:
    """QEMU is killed while commands change the store on its disk (R8): what they told as done is
    there after the next boot, and the store is whole."""
    work = base / "power"
    work.mkdir()
    machine = Machine(work, random.Random(5))
    assert machine.cut(4) == []
    assert machine.look() == []
    shutil.rmtree(work)
