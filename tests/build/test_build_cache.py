"""What builds keep: when a step is done again, who may remove it, and results that are the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import pytest
from building import (
    build,
    built,
    cached,
    context,
    image_id,
    left,
    own,
    said,
    words,
    workspaces,
)
from engine import Engine

UUID = "RUN cat /proc/sys/kernel/random/uuid >"
TEXT = f"FROM busybox\n{UUID} /one\nCOPY d /d\n{UUID} /two\nCOPY f /f\n{UUID} /three\n"
FILES: dict[str, str | bytes] = {"Dockerfile": TEXT, "d/a": "a", "d/b": "b", "f": "f"}


def seen(engine: Engine, name: str) -> list[str]:
    """The numbers that the steps of TEXT made."""
    return said(engine, name, "cat", "/one", "/two", "/three").split()


# ---- when a step is done again ----


def test_nothing_changed(engine: Engine) -> None:
    where = context(engine, FILES)
    assert build(engine, where, "--no-cache", "-t", "same").code == 0
    first, numbers = image_id(engine, "same"), seen(engine, "same")
    done = build(engine, where, "-t", "same")
    assert cached(done) == [False] + [True] * 5
    assert image_id(engine, "same") == first and seen(engine, "same") == numbers


def test_content_of_one_file(engine: Engine) -> None:
    """From its COPY on, everything is done again; back again, nothing is."""
    where = context(engine, FILES)
    build(engine, where, "-t", "content")
    first, numbers = image_id(engine, "content"), seen(engine, "content")
    (where / "d/b").write_text("c")  # as long as before
    done = build(engine, where, "-t", "content")
    assert cached(done) == [False, True, False, False, False, False]
    assert said(engine, "content", "cat", "/d/b") == "c"
    now = seen(engine, "content")
    assert now[0] == numbers[0] and not set(now[1:]) & set(numbers)
    (where / "d/b").write_text("b")
    done = build(engine, where, "-t", "content")
    assert cached(done) == [False] + [True] * 5 and image_id(engine, "content") == first


def test_times_do_not_count(engine: Engine) -> None:
    where = context(engine, FILES)
    build(engine, where, "-t", "times")
    for path in where.rglob("*"):
        os.utime(path, (1, 1))
    assert cached(build(engine, where)) == [False] + [True] * 5
    copy = where.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    subprocess.run(["cp", "-r", where, copy], check=True)
    own(engine, copy)
    assert cached(build(engine, copy)) == [False] + [True] * 5


@pytest.mark.parametrize("what", ["mode", "name", "link", "empty directory", "xattr"])
def test_what_else_counts(root: Engine, what: str) -> None:
    where = context(root, {**FILES, "Dockerfile": "FROM busybox\nCOPY d /d\n"})
    build(root, where)
    if what == "mode":
        (where / "d/a").chmod(0o755)
    elif what == "name":
        (where / "d/a").rename(where / "d/c")
    elif what == "link":
        (where / "d/a").unlink()
        (where / "d/a").symlink_to("b")
    elif what == "empty directory":
        (where / "d/e").mkdir()
    else:
        os.setxattr(where / "d/a", "user.note", b"x")
    changed = what != "xattr"  # as with BuildKit
    assert cached(build(root, where)) == [False, not changed]


def test_content_that_changes_within_its_time(root: Engine) -> None:
    """The same size and the same times, as soon after as can be."""
    where = context(root, {"Dockerfile": "FROM busybox\nCOPY f /f\n", "f": "0"})
    for number in range(1, 6):
        before = os.stat(where / "f")
        (where / "f").write_text(str(number))
        os.utime(where / "f", ns=(before.st_atime_ns, before.st_mtime_ns))
        build(root, where, "-t", "racy")
        assert said(root, "racy", "cat", "/f") == str(number)


def test_arguments(root: Engine) -> None:
    """A value counts from the first RUN behind its ARG on."""
    text = f"FROM busybox\n{UUID} /one\nARG A=1\n{UUID} /two\nARG B\nENV C=$B\n{UUID} /three\n"
    where = context(root, {"Dockerfile": text})

    def numbers(*options: str) -> list[str]:
        build(root, where, "-t", "args", *options)
        return seen(root, "args")

    first = numbers("--build-arg", "A=1", "--build-arg", "B=1")
    assert numbers("--build-arg", "B=1") == first
    other = numbers("--build-arg", "A=2", "--build-arg", "B=1")
    assert other[0] == first[0] and not set(other[1:]) & set(first)
    later = numbers("--build-arg", "B=2")
    assert later[:2] == first[:2] and later[2] != first[2]


def test_without_the_cache(root: Engine) -> None:
    where = context(root, FILES)
    build(root, where, "-t", "none")
    numbers = seen(root, "none")
    assert cached(build(root, where, "--no-cache", "-t", "none")) == [False] * 6
    assert not set(seen(root, "none")) & set(numbers)
    text = f"FROM busybox AS a\n{UUID} /one\nFROM busybox AS b\n{UUID} /two\n" + (
        f"FROM busybox\nCOPY --from=a /one /one\nCOPY --from=b /two /two\n{UUID} /three\n"
    )
    where = context(root, {"Dockerfile": text})
    build(root, where, "-t", "filter")
    first = seen(root, "filter")
    build(root, where, "-t", "filter", "--no-cache-filter", "a")
    now = seen(root, "filter")
    assert now[0] != first[0] and now[1] == first[1]


def test_a_step_that_was_done_again_below(engine: Engine) -> None:
    """A later step that is kept was made on another layer: it cannot be used on the new one."""
    lower = f"FROM busybox\n{UUID} /one\n"
    upper = f"RUN cp /one /two\n{UUID} /three\n"
    built(engine, lower + upper, "--no-cache", "-t", "below")
    built(engine, lower, "--no-cache")
    built(engine, lower + upper, "-t", "below")
    one, two, _ = seen(engine, "below")
    assert one == two


# ---- who may remove it ----


def test_layers_stay_for_the_cache(engine: Engine) -> None:
    where = context(
        engine, {"Dockerfile": "FROM busybox\nRUN head -c 3000000 /dev/urandom > /big\n"}
    )
    engine.ok("builder", "prune", "-f")
    build(engine, where, "-t", "stays")
    first = image_id(engine, "stays")
    engine.ok("rmi", "stays")
    shown = engine.ok("buildx", "du").splitlines()
    assert any("3" in row and "MB" in row for row in shown), shown
    assert cached(build(engine, where, "-t", "stays")) == [False, True]
    assert image_id(engine, "stays") == first
    engine.ok("rmi", "stays")
    would = engine.ok("builder", "prune", "--dry-run")
    done = engine.ok("builder", "prune", "-f")
    assert would == done.replace("reclaimed", "reclaimable")
    assert "Total reclaimed space: 3" in done and "MB" in done
    assert engine.ok("buildx", "du").splitlines()[-1] == "Total:\t0B"
    sizes = [p.stat().st_size for p in (engine.root / "layers").rglob("*") if p.is_file()]
    assert 3000000 not in sizes
    assert cached(build(engine, where, "-t", "stays")) == [False, False]


def test_prune_keeps_what_images_have(engine: Engine) -> None:
    where = context(engine, FILES)
    build(engine, where, "-t", "kept")
    numbers = seen(engine, "kept")
    engine.ok("builder", "prune", "-f", "-a")
    assert seen(engine, "kept") == numbers
    assert engine.run("builder", "prune", input="n\n").code == 0
    build(engine, where, "-t", "kept")
    assert len(seen(engine, "kept")) == 3


def test_prune_during_builds(engine: Engine) -> None:
    """Whatever is taken away under them, builds succeed and their images are whole."""
    text = "\n".join(["FROM busybox", *(f"{UUID} /{n}" for n in ("one", "two", "three"))])
    where = context(engine, {"Dockerfile": text})
    for turn in range(2):
        builds = [engine.popen(*words(where, "-t", f"pruned{n}")) for n in range(2)]
        while any(process.poll() is None for process in builds):
            prunes = [engine.popen("builder", "prune", "-f") for _ in range(2)]
            shown = engine.run("buildx", "du")
            assert shown.code == 0, shown.err
            _all(prunes)
        for number, process in enumerate(builds):
            out, err = process.communicate()
            assert process.returncode == 0, (turn, out, err)
            assert len(seen(engine, f"pruned{number}")) == 3


def test_prune_while_a_cache_mount_is_used(engine: Engine) -> None:
    """It stays as long as that is so."""
    mount = "--mount=type=cache,target=/c,id=used"
    text = f"FROM busybox\nRUN {mount} touch /c/f; echo began; sleep 1; ls /c/f\n"
    process = engine.popen(*words(context(engine, {"Dockerfile": text}), "--no-cache"))
    while process.stdout.readline() != b"began\n":
        assert process.poll() is None
    engine.ok("builder", "prune", "-f", "-a")
    assert "used" in engine.ok("buildx", "du")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and b"/c/f" in out, err
    engine.ok("builder", "prune", "-f", "-a")
    assert "used" not in engine.ok("buildx", "du")


# ---- several builds at once ----


def _all(builds: list[Any]) -> None:
    for process in builds:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (out, err)


@pytest.mark.parametrize("count", [2, 10])
def test_the_same_build_at_once(engine: Engine, count: int) -> None:
    """Each succeeds, its image is whole, and so is what the next one finds in the cache."""
    where = context(engine, FILES)
    options = ["--no-cache"] if count == 2 else []
    _all([engine.popen(*words(where, *options, "-t", f"at{n}")) for n in range(count)])
    for number in range(0, count, 3):
        assert len(seen(engine, f"at{number}")) == 3
    build(engine, where, "-t", "after")
    assert len(seen(engine, "after")) == 3 and workspaces(engine) == []


def test_ten_different_builds_at_once(root: Engine) -> None:
    places = [context(root, {"Dockerfile": f"FROM busybox\nRUN echo {n} > /n\nCOPY f /f\n",
                             "f": str(n)}) for n in range(10)]  # fmt: skip
    _all([root.popen(*words(where, "-t", f"ten{n}")) for n, where in enumerate(places)])
    for number in (0, 4, 9):
        assert said(root, f"ten{number}", "cat", "/n", "/f") == f"{number}\n{number}"
    assert left(root) == []


@pytest.mark.parametrize("sharing", ["shared", "locked", "private"])
def test_cache_mounts_of_two_builds(engine: Engine, sharing: str) -> None:
    """shared: both see it at once; locked: one after the other; private: each its own."""
    mount = f"--mount=type=cache,target=/c,sharing={sharing},id=two-{sharing}"
    wait = "sleep 0.7"
    if sharing == "shared":  # for the other one, however late it is
        wait = "for i in $(seq 100); do test $(ls /c | wc -l) = 2 && break; sleep 0.1; done"
    script = f"touch /c/$ME; {wait}; ls /c | sort | tr '\\n' ' ' > /seen; sleep 0.5; rm /c/$ME"
    where = context(engine, {"Dockerfile": f"FROM busybox\nARG ME\nRUN {mount} {script}\n"})
    _all([engine.popen(*words(where, "--no-cache", "--build-arg", f"ME={me}", "-t", f"share{me}"))
          for me in "ab"])  # fmt: skip
    found = [said(engine, f"share{me}", "cat", "/seen").split() for me in "ab"]
    assert found == ([["a", "b"]] * 2 if sharing == "shared" else [["a"], ["b"]])


def test_a_cache_mount_stays(engine: Engine) -> None:
    mount = "--mount=type=cache,target=/c,id=stays"
    text = f"FROM busybox\nRUN {mount} echo x >> /c/f; wc -l < /c/f > /n\n"
    for number in range(3):
        built(engine, text, "--no-cache", "-t", "mounted")
        assert said(engine, "mounted", "cat", "/n") == str(number + 1)
    assert "stays" in engine.ok("buildx", "du")
    assert said(engine, "mounted", "sh", "-c", "ls -A /c; true") == ""
    engine.ok("builder", "prune", "-f")
    built(engine, text, "--no-cache", "-t", "mounted")
    assert said(engine, "mounted", "cat", "/n") == "1"


def test_what_would_be_carried_out(engine: Engine) -> None:
    """--dry-run: as the build that comes then, and nothing is changed."""
    text = (
        "FROM busybox AS one\nRUN echo a >/a\nENV A={a}\nRUN echo $A >/b\n"
        "FROM busybox\nCOPY f /f\nCOPY --from=one /b /b\nWORKDIR /w/x\nRUN cat /b >c\n"
    )
    where = context(engine, {"Dockerfile": text.format(a="1"), "f": "x"})
    words = ("--dry-run", "-t", "rehearsed", "--push", "--iidfile", where / "id", where)

    def rehearse() -> list[str]:
        before = _seen(engine), sorted(p.name for p in where.iterdir())
        done = build(engine, *words)
        assert done.code == 0 and not done.err, done
        assert (_seen(engine), sorted(p.name for p in where.iterdir())) == before
        lines = [line for line in done.out.splitlines() if not line.startswith(" ---> ")]
        assert len([line for line in lines if line.startswith("Step ")]) == 9
        said = (line.removeprefix(" ---> ") for line in done.out.splitlines())
        return [line for line in said if line.startswith(("Using", "Would"))]

    would, made = "Would be carried out", "Using cache"
    assert rehearse() == [would] * 7
    built(engine, {"Dockerfile": text.format(a="1"), "f": "x"}, "--network", "none")
    assert rehearse() == [made] * 7
    (where / "Dockerfile").write_text(text.format(a="2"))
    assert rehearse() == [made, would, made, would, would, would]
    assert "busybox2" in build(engine, "--dry-run", "--from", "busybox2", where).err


def _seen(engine: Engine) -> dict[str, int]:
    """The store's files, and when each was changed."""
    return {
        str(path): path.lstat().st_mtime_ns
        for kind in ("images", "layers", "containers", "build/cache")
        for path in (engine.root / kind).rglob("*")
        if path.is_file() and "lock" not in path.name
    }
