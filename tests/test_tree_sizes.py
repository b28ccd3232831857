"""The size of a tree that others change meanwhile."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from crun_py import tree


def grow(top: Path) -> None:
    for name in ("a/b/c/d", "e/f"):
        (top / name).mkdir(parents=True)
        (top / name / "file").write_text("12345")


@pytest.mark.parametrize("how", ["removed", "moved"])
def test_directories_that_vanish_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """`ps -s` and `system df` ended with an error for a container that was just being removed."""
    top = tmp_path / "top"
    grow(top)
    real, done = os.scandir, []

    def scandir(fd: int) -> Any:
        found = real(fd)
        if os.readlink(f"/proc/self/fd/{fd}").endswith("/c") and not done:
            done.append(fd)
            if how == "removed":
                shutil.rmtree(top / "a")
            else:
                (top / "a/b/c").rename(tmp_path / "elsewhere")
        return found

    monkeypatch.setattr(tree.os, "scandir", scandir)
    assert tree.disk_usage(str(top)) in (5, 10) and done


def test_a_tree_that_stays(tmp_path: Path) -> None:
    grow(tmp_path)
    os.link(tmp_path / "e/f/file", tmp_path / "a/link")
    assert tree.disk_usage(str(tmp_path)) == 10
