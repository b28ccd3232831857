"""Locks of containers' directories, where there are such and where there are none."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any, cast

import pytest

from crun_py.container import elsewhere
from crun_py.errors import Conflict, NotFound
from crun_py.paths import Paths
from crun_py.state import Container

ID = "ab" * 32


@pytest.fixture
def container(tmp_path: Path) -> Container:
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "run"))
    os.makedirs(paths.container(ID))
    return Container(paths, cast(Any, {"id": ID, "name": "c"}))


def test_it_is_held_as_long_as_the_descriptor_is_open(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "_PATIENCE_S", 0.05)
    assert not elsewhere.runs(container.paths, ID)
    elsewhere.check_removable(container)
    fd = elsewhere.hold(container)
    assert elsewhere.runs(container.paths, ID)
    with pytest.raises(Conflict, match="starting container c: it runs with another engine"):
        elsewhere.hold(container)
    with pytest.raises(Conflict, match="removing container c: it runs with another engine"):
        elsewhere.check_removable(container)
    os.makedirs(container.run_directory)  # it is ours
    elsewhere.check_removable(container)
    os.close(fd)
    os.close(elsewhere.hold(container))


def test_a_file_system_without_locks(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(fd: int, how: int) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", refused)
    fd = elsewhere.hold(container)
    assert not elsewhere.runs(container.paths, ID)
    os.close(fd)


def test_one_that_is_gone(container: Container) -> None:
    os.rmdir(container.directory)
    assert not elsewhere.runs(container.paths, ID)
    with pytest.raises(NotFound, match="it was removed just now"):
        elsewhere.hold(container)
