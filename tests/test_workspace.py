"""The place of a build that was killed, which several commands may sweep at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from engine import Engine

from crun_py import workspace
from crun_py.paths import Paths


def test_two_that_sweep_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds less than it has listed, and then nothing."""
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "run"))
    (tmp_path / "root").mkdir()
    place = workspace.Workspace(paths)
    place.note("a" * 64)
    place.directory()
    os.close(place._lock)
    ((_, first),) = workspace.abandoned(paths)
    ((_, second),) = workspace.abandoned(paths)
    listed = os.listdir

    def overtaken(path: str | int) -> list[str]:
        names = listed(path)
        if path == place.path:
            monkeypatch.setattr(os, "listdir", listed)
            first()
        return names

    monkeypatch.setattr(os, "listdir", overtaken)
    second()
    assert not os.path.exists(place.path)
    second()
    assert not list(workspace.abandoned(paths))


def test_its_containers_are_not_pruned(root: Engine) -> None:
    """One that has ended, too, for its files become a layer."""
    container_id = root.ok("create", "--network", "none", "busybox", "true")
    place = workspace.Workspace(Paths(str(root.root), str(root.run_root)))
    place.note(container_id)
    for words in (("container", "prune", "-f"), ("system", "prune", "-f")):
        assert container_id not in root.ok(*words)
    place.close()
    assert container_id in root.ok("container", "prune", "-f")
