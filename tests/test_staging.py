"""A container in the making, and what others take it for."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from crun_py import jsonfile, state
from crun_py.container import lifecycle
from crun_py.errors import Conflict
from crun_py.paths import Paths
from crun_py.staging import Claim, Staging

ID = "ab" * 32


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "run"))


def test_a_maker_that_lives_is_left_alone(paths: Paths) -> None:
    staging = Staging(paths, ID)
    staging.open(Claim(ID))
    assert Staging(paths, ID).owned() and not Staging(paths, ID).abandoned()
    assert not lifecycle.needs_sweep(paths)
    staging.commit(durable=False)
    assert os.path.isdir(paths.container(ID)) and not Staging(paths, ID).owned()


def test_a_finished_one_is_not_abandoned(paths: Paths) -> None:
    """A sweep read its lock's name in the directory just before the maker was done."""
    staging = Staging(paths, ID)
    staging.open(Claim(ID))
    staging.commit(durable=False)
    assert not Staging(paths, ID).abandoned()
    Staging(paths, ID).discard()  # and two sweeps may meet
    assert os.path.isdir(paths.container(ID))


def test_a_maker_that_was_killed_is_swept(paths: Paths) -> None:
    staging = Staging(paths, ID)
    staging.open(Claim(ID))
    state.take_name(paths, "web", ID)
    os.close(staging._lock)  # what the kernel does for the killed
    assert Staging(paths, ID).abandoned() and lifecycle.needs_sweep(paths)
    lifecycle.sweep(paths, rootless=False)
    assert not lifecycle.needs_sweep(paths)
    assert state.name_holder(paths, "web") is None
    assert sorted(os.listdir(paths.containers)) == [".lock", ".names"]


def test_a_name_is_taken_while_its_container_is_made(paths: Paths) -> None:
    staging = Staging(paths, ID)
    staging.open(Claim(ID))
    state.take_name(paths, "web", ID)
    with pytest.raises(Conflict, match="already in use"):
        state.take_name(paths, "web", "cd" * 32)
    staging.discard()
    state.take_name(paths, "web", "cd" * 32)


def test_no_sweep_between_making_the_lock_and_taking_it(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_for_dead = []
    real = fcntl.flock

    def flock(fd: int, how: int) -> None:
        # the first exclusive lock is the maker's own
        if how == fcntl.LOCK_EX and not taken_for_dead:
            taken_for_dead.append(Staging(paths, ID).abandoned())
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    Staging(paths, ID).open(Claim(ID))
    assert taken_for_dead == [False]


# ---- which of the containers that run are looked at ----


def running(paths: Paths, container_id: str) -> None:
    """One whose monitor is this process."""
    place = Path(paths.run_container(container_id))
    place.mkdir(parents=True)
    me = {"monitor_pid": os.getpid(), "monitor_start_ticks": state.start_ticks(os.getpid())}
    status = {"state": "running", "pid": 1, "start_ticks": 1, "boot_id": state.boot_id(), **me}
    jsonfile.write(str(place / "status.json"), status)


@pytest.fixture
def crowd(paths: Paths) -> Path:
    """What a killed monitor left, among 60 that run."""
    for number in range(60):
        running(paths, f"{number:064x}")
    place = Path(paths.run_container("f" * 64))
    place.mkdir()
    return place


def test_a_creation_looks_at_a_few_each_time(paths: Paths, crowd: Path) -> None:
    before = 0
    while crowd.exists():
        lifecycle.sweep(paths, rootless=False, few=True)
        before += 1
        assert before < 500
    assert len(os.listdir(paths.run_containers)) == 60


def test_at_the_one_whose_name_is_wanted(paths: Paths, crowd: Path) -> None:
    state.take_name(paths, "wanted", "f" * 64)
    lifecycle.sweep(paths, rootless=False, few=True, name="wanted")
    assert not crowd.exists()


def test_and_otherwise_at_all(paths: Paths, crowd: Path) -> None:
    assert lifecycle.needs_sweep(paths)
    lifecycle.sweep(paths, rootless=False)
    assert not crowd.exists() and not lifecycle.needs_sweep(paths)
