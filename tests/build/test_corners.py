"""`build` beside its peers: one small context after the other, and what came of it.

The contexts are tests/build/corners.py, what they must give is tests/data/build_corners.json
(tools/record-build-corners).  Docker's result counts where docker and podman differ.
"""

from __future__ import annotations

import json
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
    assert not engine.settled()
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
    context = corners.write(corner, place.work / f"c{list(corners.CORNERS).index(name)}")
    if engine.user:
        subprocess.run(["chown", "-Rh", f"{engine.user}:", context], check=True)
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


def test_every_corner_is_recorded() -> None:
    missing = [name for name, corner in corners.CORNERS.items() if not wanted(corner)]
    assert not missing
    assert not RECORDED.keys() - corners.CORNERS.keys()
    assert all(c.why for c in corners.CORNERS.values() if c.by_hand)
