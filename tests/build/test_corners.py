"""`build` beside its peers: one small context after the other, and what came of it.

The contexts are tests/build/corners.py, what they must give is tests/data/build_corners.json
(tools/record-build-corners).  Docker's result counts where docker and podman differ.
"""

from __future__ import annotations

import json
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import corners
import pytest
import results
from engine import CHECKOUT, Engine

DATA = CHECKOUT / "tests/data/build_corners.json"
RECORDED: dict[str, dict[str, Any]] = json.loads(DATA.read_text()) if DATA.exists() else {}
_COUNTS = ("layers", "history")


class Place(NamedTuple):
    """Where corners are built: an engine that holds busybox, and its busybox."""

    engine: Engine
    base: results.Saved
    work: Path


def _place(engine: Engine, work: Path) -> Iterator[Place]:
    engine.ok("pull", "-q", "busybox")
    work.mkdir()
    subprocess.run(["chown", f"{engine.user or 'root'}:", work], check=True)
    archive = work / "busybox.tar"
    engine.ok("save", "-q", "-o", archive, "busybox")
    yield Place(engine, results.Saved(archive), work)
    assert not engine.left()
    shutil.rmtree(work)


@pytest.fixture(scope="module")
def as_root(new_engine: Callable[[str, str], Engine], base: Path) -> Iterator[Place]:
    yield from _place(new_engine("root", "bc"), base / "corners")


@pytest.fixture(scope="module")
def as_user(new_engine: Callable[[str, str], Engine], base: Path) -> Iterator[Place]:
    yield from _place(new_engine("user", "bc"), base / "corners-user")


def wanted(corner: corners.Corner) -> dict[str, Any]:
    """What must come of it.  Counts are said only where nobody says another."""
    given = RECORDED.get(corner.name, {})
    order = ("both", corner.prefer, "docker", "podman")
    found = next((dict(given[who]) for who in order if who in given), {})
    for key in _COUNTS:
        if len({result.get(key) for result in given.values()}) > 1:
            found.pop(key, None)
    if corner.by_hand:
        if {"error", "either"} & corner.by_hand.keys() or "error" in found:
            found = {}
        found.update(corner.by_hand)
    return found


def _check(place: Place, name: str) -> None:
    corner, engine = corners.CORNERS[name], place.engine
    expected = wanted(corner)
    assert expected, "not recorded: tools/record-build-corners"
    where = place.work / f"c{list(corners.CORNERS).index(name)}"
    user = pwd.getpwnam(engine.user) if engine.user else None
    context = corners.write(corner, where, (user.pw_uid, user.pw_gid) if user else None)
    words = ("build", "--network", "none", "-t", "made", *corner.options, ".")
    done = engine.run(*words, cwd=context, env=dict(corner.env))
    shutil.rmtree(context)
    assert "Traceback" not in done.err, done.err
    if "either" in expected and done.code == 0:
        return
    if "error" in expected or "either" in expected:
        assert done.code != 0, f"is built, but must not be: {done.out}{done.err}"
        assert done.code == corner.code or not corner.code, done
        assert done.err.splitlines()[-1].startswith("crunpy: error: "), done.err
        return
    assert done.code == 0, f"exit {done.code}: {done.out[-500:]}{done.err}"
    archive = place.work / "made.tar"
    engine.ok("save", "-q", "-o", archive, "made")
    found = results.of(archive, place.base)
    archive.unlink()
    if "annotations" in expected:
        assert engine.inspect("made")["Annotations"].items() >= expected["annotations"].items()
    different = results.differences(expected, found)
    assert not different, "\n".join([*different, corner.why])


@pytest.mark.parametrize("name", corners.names())
def test_corner(as_root: Place, name: str) -> None:
    _check(as_root, name)


@pytest.mark.parametrize("name", corners.names(user=True))
def test_corner_of_a_user(as_user: Place, name: str) -> None:
    _check(as_user, name)


# ---- what is not one context and one build ----


def _context(place: Place, files: dict[str, corners.Entry]) -> Path:
    where = place.work / "context"
    shutil.rmtree(where, ignore_errors=True)
    corner = corners.Corner("x", None, files)
    return corners.write(corner, where)


def _files(place: Place) -> results.Tree:
    archive = place.work / "made.tar"
    place.engine.ok("save", "-q", "-o", archive, "made")
    tree: results.Tree = results.of(archive, place.base)["tree"]
    return tree


_BUILD = ("build", "-q", "--network", "none", "-t", "made")
_UUID = "RUN cat /proc/sys/kernel/random/uuid > /u\n"


def test_a_dockerfile_from_standard_input(as_root: Place) -> None:
    context = _context(as_root, {"one": "1\n", "Dockerfile": "FROM nothing"})
    text = "FROM busybox\nCOPY one /x\n"
    as_root.engine.ok(*_BUILD, "-f", "-", context, input=text)
    assert _files(as_root)["/x"]["text"] == "1\n"


def test_a_dockerfile_alone_from_standard_input(as_root: Place) -> None:
    as_root.engine.ok(*_BUILD, "-", input="FROM busybox\nRUN echo a > /x\n")
    assert _files(as_root)["/x"]["text"] == "a\n"


@pytest.mark.parametrize("how", ["", "gz"])
def test_a_context_from_standard_input(as_root: Place, how: str) -> None:
    data = corners._packed(how, corners.tar(
        corners.tar_file("Dockerfile", b"FROM busybox\nCOPY d /n\n"),
        corners.tar_file("d/f", b"x\n", mode=0o600),
    ))  # fmt: skip
    as_root.engine.ok(*_BUILD, "-", input=data)
    tree = _files(as_root)
    assert tree["/n/f"] == {"type": "file", "mode": "0600", "text": "x\n", "mtime": 1_600_000_000}


def test_names_and_ids(as_root: Place) -> None:
    """-q prints the id alone; every -t is a name; --iidfile holds the id."""
    context = _context(as_root, {"Dockerfile": "FROM busybox\nENV A=1\n"})
    engine, file = as_root.engine, as_root.work / "id"
    said = engine.run(*_BUILD, "-t", "other/name:v1", "--iidfile", file, context, check=True)
    found = engine.inspect("made")["Id"].removeprefix("sha256:")
    assert said.out.strip().removeprefix("sha256:") == found and not said.err
    assert engine.inspect("other/name:v1")["Id"].removeprefix("sha256:") == found
    assert file.read_text().strip().removeprefix("sha256:") == found


def test_what_is_built_already(as_root: Place) -> None:
    """A step is done again when its words, its files' content or modes, its base or its
    arguments are others; not when only times are."""
    engine = as_root.engine
    text = f"FROM busybox\nCOPY f /f\n{_UUID}"

    def build(files: dict[str, corners.Entry], *options: str) -> str:
        engine.ok(*_BUILD, *options, _context(as_root, {"Dockerfile": text, **files}))
        return str(_files(as_root)["/u"]["text"])

    first = build({"f": "x"})
    assert build({"f": "x"}) == first
    assert build({"f": corners.F("x", mtime=corners.MTIME + 100)}) == first
    assert build({"f": "x", "other": "file"}) == first
    assert build({"f": corners.F("y", mtime=corners.MTIME + 200)}) != first
    assert build({"f": corners.F("x", 0o755)}) != first
    assert build({"f": "x"}) == first
    again = build({"f": "x"}, "--no-cache")
    assert again != first


def test_arguments_and_what_is_built_already(as_root: Place) -> None:
    engine = as_root.engine
    text = f"FROM busybox\nARG A\n{_UUID}"

    def build(*options: str) -> str:
        engine.ok(*_BUILD, *options, _context(as_root, {"Dockerfile": text}))
        return str(_files(as_root)["/u"]["text"])

    one = build("--build-arg", "A=1")
    assert build("--build-arg", "A=2") != one
    assert build("--build-arg", "A=1") == one


def test_every_corner_is_recorded() -> None:
    missing = [name for name, corner in corners.CORNERS.items() if not wanted(corner)]
    assert not missing
    assert not RECORDED.keys() - corners.CORNERS.keys()
    assert all(c.why for c in corners.CORNERS.values() if c.by_hand)
