"""Containers on disk, without any that runs: names, ids, and what files tell of a state."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crun_py import jsonfile, state, upgrade
from crun_py.errors import Conflict, CorruptState, InvalidArgument, NotFound
from crun_py.paths import Paths

A, B, C = "a" * 64, "ab" * 32, "c" * 64


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "root"), str(tmp_path / "run"))


def record(paths: Paths, container_id: str, created: str = "2026-01-01", **changed: Any) -> None:
    """Write a container.json."""
    found: dict[str, Any] = {**upgrade.lost(container_id)}
    found |= {
        "id": container_id,
        "args": ["x"],
        "version": state.VERSION,
        "created": created,
        **changed,
    }
    Path(paths.container(container_id)).mkdir(parents=True)
    jsonfile.write(paths.container(container_id) + "/container.json", found)


def note(directory: str, **found: Any) -> None:
    """Write a status.json."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    jsonfile.write(directory + "/status.json", found)


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is not ours."""
    with subprocess.Popen(["sleep", "1000"]) as found:
        yield found
        found.kill()


def noted(pid: int) -> dict[str, Any]:
    return {"pid": pid, "start_ticks": state.start_ticks(pid), "boot_id": state.boot_id()}


# ---- names and ids ----


@pytest.mark.parametrize("name", ["a", "0", "web-1", "a_b.c", "A" * 253])
def test_names(name: str) -> None:
    assert state.check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "_a", "a/b", "a b", "ä", "a\n", "..", "A" * 254, "a:b", "²"]
)
def test_no_names(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"container name .*: not allowed"):
        state.check_name(name)


def test_new_ids() -> None:
    found = {state.new_id() for _ in range(50)}
    assert len(found) == 50 and all(len(i) == 64 and not i.strip("0123456789abcdef") for i in found)


def test_a_name_is_taken_once_and_given_back_by_its_holder(paths: Paths) -> None:
    record(paths, A)
    state.take_name(paths, "web", A)
    state.take_name(paths, "www", A)
    assert state.name_holder(paths, "web") == A and state.name_holder(paths, "nobody") is None
    with pytest.raises(Conflict, match="'web': already in use by container aaaaaaaaaaaa"):
        state.take_name(paths, "web", B)
    state.release_name(paths, "web", B)
    assert state.name_holder(paths, "web") == A
    state.release_names(paths, A)
    assert state.name_holder(paths, "web") is state.name_holder(paths, "www") is None


def test_a_name_that_a_killed_command_left_is_taken_over(paths: Paths) -> None:
    state.take_name(paths, "web", A)  # of which nothing else is there
    state.take_name(paths, "web", B)
    assert state.name_holder(paths, "web") == B


def test_what_a_text_means(paths: Paths) -> None:
    for container_id in (A, B, C):
        record(paths, container_id)
    state.take_name(paths, "web", A)
    state.take_name(paths, "cc", B)
    for text, wanted in (("web", A), (A, A), ("aaa", A), ("aba", B), ("c", C), ("cc", B)):
        assert state.resolve(paths, text) == wanted, text
    with pytest.raises(InvalidArgument, match="container id a: 2 containers begin so"):
        state.resolve(paths, "a")
    for text in ("", ".", "..", "a/b", "nobody", "d", "C", "f" * 64, "a" * 65):
        with pytest.raises(NotFound):
            state.resolve(paths, text)


# ---- records ----


def test_newest_first_and_what_is_broken(paths: Paths) -> None:
    assert state.ids(paths) == state.every(paths) == []
    with pytest.raises(NotFound, match="there is no container"):
        state.latest(paths)
    record(paths, A, "2026-01-01T00:00:00Z")
    record(paths, B, "2026-01-03T00:00:00Z")
    Path(paths.container(C)).mkdir()
    Path(paths.containers, ".new-x").mkdir()
    broken: list[str] = []
    assert [c.id for c in state.every(paths, broken)] == [B, A] and broken == [C]
    assert state.latest(paths).id == B
    assert [c.id for c in state.every(paths, among={A, "d" * 64})] == [A]
    assert {*state.ids(paths)} == {A, B, C}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", '{"id": "x"}', f'{{"id": "{A}"}}', f'{{"id": "{A}", "version": 1}}'],
)
def test_a_damaged_record(paths: Paths, text: str) -> None:
    Path(paths.container(A)).mkdir(parents=True)
    Path(paths.container(A), "container.json").write_text(text)
    with pytest.raises(
        CorruptState, match=r"container aaaaaaaaaaaa: its container.json is damaged"
    ):
        state.load(paths, A)


def test_no_record(paths: Paths) -> None:
    with pytest.raises(NotFound, match="no such container"):
        state.load(paths, A)


# ---- what files tell ----


def test_what_never_ran_and_what_ended(paths: Paths) -> None:
    assert state.status(paths, A).state == "created" and state.begun(paths) == set()
    note(paths.container(A), state="exited", exit_code=3, finished_at="2026-01-01T00:00:00Z",
         signal=9, oom_killed=True)  # fmt: skip
    found = state.status(paths, A)
    assert (found.state, found.exit_code, found.finished_at, found.signal, found.oom_killed) == (
        "exited", 3, "2026-01-01T00:00:00Z", 9, True)  # fmt: skip
    assert not found.running and not found.alive and not found.unseen


def test_what_runs(paths: Paths, other: subprocess.Popen[bytes]) -> None:
    note(paths.run_container(A), state="running", **noted(other.pid))
    found = state.status(paths, A)
    assert (found.state, found.pid, found.running, found.active) == (
        "running",
        other.pid,
        True,
        True,
    )
    assert state.begun(paths) == {A} and not state.left(paths, A)
    note(paths.run_container(A), state="initialized", **noted(other.pid))
    found = state.status(paths, A)
    assert (found.state, found.running, found.alive) == ("initialized", False, True)
    assert state.status(paths, A, begun=False).state == "created"


def test_paused(paths: Paths, other: subprocess.Popen[bytes]) -> None:
    note(paths.run_container(A), state="running", **noted(other.pid))
    cgroup = Path(paths.run_container(A), "cgroup")
    cgroup.mkdir()
    (cgroup / "cgroup.freeze").write_text("1\n")
    found = state.status(paths, A)
    assert (found.state, found.running, found.active) == ("paused", True, False)


def test_stopping(paths: Paths, other: subprocess.Popen[bytes]) -> None:
    record(paths, A, name="web")
    note(paths.run_container(A), state="running", **noted(other.pid))
    container = state.load(paths, A)
    place = Path(paths.run_container(A), "stopping")
    with state.Stopping(container):
        assert container.status().state == "stopping"
        with state.Stopping(container):  # of another command at the same time
            assert container.status().state == "stopping"
        assert container.status().state == "stopping"
    assert container.status().state == "running" and not place.is_symlink()
    place.symlink_to("1:1")  # left by a command that was killed
    assert container.status().state == "running"
    with state.Stopping(container):
        assert not place.is_symlink()


@pytest.mark.parametrize("changed", [{"start_ticks": 1}, {"boot_id": "another"}, {"pid": 0},
                                     {"pid": "x"}])  # fmt: skip
def test_a_process_that_is_not_the_noted_one(
    paths: Paths, other: subprocess.Popen[bytes], changed: dict[str, Any]
) -> None:
    note(paths.run_container(A), state="running", **{**noted(other.pid), **changed})
    found = state.status(paths, A)
    assert (found.state, found.unseen, found.exit_code) == ("exited", True, state.UNKNOWN_EXIT)
    assert state.left(paths, A)


def test_after_a_reboot(paths: Paths) -> None:
    note(paths.container(A), state="running", pid=1)
    found = state.status(paths, A)
    assert (found.state, found.unseen, found.exit_code) == ("exited", True, state.UNKNOWN_EXIT)


@pytest.mark.parametrize("text", ["", "{", "[1]", "5"])
def test_a_status_that_cannot_be_read(paths: Paths, text: str) -> None:
    for directory in (paths.run_container(A), paths.container(B)):
        Path(directory).mkdir(parents=True)
        Path(directory, "status.json").write_text(text)
    for container_id in (A, B):
        found = state.status(paths, container_id)
        assert (found.state, found.unseen) == ("exited", True)


def test_an_end_that_is_noted_just_now(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks the monitor notes it, and is gone itself."""
    note(paths.run_container(A), state="running", pid=2**22 + 1, start_ticks=7)

    def gone(_: object) -> bool:
        note(paths.run_container(A), state="exited", exit_code=137)
        return False

    monkeypatch.setattr(state, "_noting", gone)
    found = state.status(paths, A)
    assert (found.state, found.unseen, found.exit_code) == ("exited", False, 137)


def test_a_monitor_that_waits_to_start_again(paths: Paths, other: subprocess.Popen[bytes]) -> None:
    monitor = {"monitor_" + key: value for key, value in noted(other.pid).items()}
    monitor["boot_id"] = state.boot_id()
    note(paths.run_container(A), state="restarting", exit_code=1, **monitor)
    assert state.status(paths, A).state == "restarting"
    other.kill()
    other.wait()
    assert state.status(paths, A).state == "exited"


# ---- signals ----


def test_signals_go_to_the_noted_process_alone(
    paths: Paths, other: subprocess.Popen[bytes]
) -> None:
    note(paths.run_container(A), state="running", **noted(other.pid))
    found = state.status(paths, A)
    found.start_ticks += 1
    assert not state.send_signal(found, signal.SIGKILL) and other.poll() is None
    found.start_ticks -= 1
    os.close(state.open_pid(found))
    assert state.send_signal(found, signal.SIGKILL) and other.wait() == -signal.SIGKILL
    assert not state.send_signal(found, signal.SIGKILL)
    with pytest.raises(NotFound, match="has just ended"):
        state.open_pid(found)
