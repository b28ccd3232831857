"""Binds through which mounts reach the host, and how mountinfo is read."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine

from crun_py.container import propagation


@pytest.fixture
def shared(base: Path) -> Iterator[Path]:
    """A directory that is a shared mount."""
    path = Path(tempfile.mkdtemp(dir=base))
    subprocess.run(["mount", "--bind", path, path], check=True)
    subprocess.run(["mount", "--make-shared", path], check=True)
    yield path
    subprocess.run(["umount", "-R", path], check=True)
    shutil.rmtree(path)


MAKE = "mkdir /d/made && mount -t tmpfs none /d/made && echo x > /d/made/file"


LONG = "--mount type=bind,src={},dst=/d,bind-propagation=rshared"


@pytest.mark.parametrize("how", ["-v {}:/d:rshared", "-v {}:/d:shared", LONG])
def test_a_mount_made_inside_is_seen_outside(root: Engine, shared: Path, how: str) -> None:
    words = how.format(shared).split()
    root.detached("--name", "c", "--privileged", *words, "busybox", "sh", "-c", MAKE + "; sleep 99")
    root.ok("exec", "c", "cat", "/d/made/file")
    assert (shared / "made" / "file").read_text() == "x\n"
    subprocess.run(["mount", "-t", "tmpfs", "other", shared / "made"], check=True)
    assert "other" in root.ok("exec", "c", "cat", "/proc/mounts"), "and the other way"
    root.ok("rm", "-f", "c")


@pytest.mark.parametrize("how", ["", ":private", ":rprivate", ":rslave", ":slave"])
def test_else_it_stays_inside(root: Engine, shared: Path, how: str) -> None:
    words = ("--privileged", "-v", f"{shared}:/d{how}")
    root.ok("run", "--rm", *words, "busybox", "sh", "-c", MAKE)
    assert not (shared / "made" / "file").exists()


def test_what_the_host_mounts_later_reaches_a_slave(root: Engine, shared: Path) -> None:
    (shared / "later").mkdir()
    root.detached("--name", "c", "-v", f"{shared}:/d:rslave", "busybox", "sleep", "99")
    subprocess.run(["mount", "-t", "tmpfs", "later", shared / "later"], check=True)
    assert "later /d/later" in root.ok("exec", "c", "cat", "/proc/mounts")
    root.ok("rm", "-f", "c")


def test_a_source_that_is_not_shared(root: Engine, base: Path) -> None:
    said = root.fails("run", "--rm", "-v", f"{base}:/d:rshared", "busybox", "true")
    assert "no shared mount" in said and "--make-shared" in said


def test_a_plain_user_may_ask_for_it(user: Engine) -> None:
    (user.home / "d").mkdir(exist_ok=True)
    assert user.ok("run", "--rm", "-v", f"{user.home}:/d:rshared", "busybox", "echo", "x") == "x"


def test_mount_of() -> None:
    assert propagation.mount_of("/proc/self/status")[0] == "/proc"
    assert propagation.mount_of("/")[0] == "/"
