"""Directories that a container's mounts needed are in what is made of it, empty."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator

import pytest
from engine import Engine

MADE = {"data", "data/new", "anon", "bound", "deep", "deep/er", "file"}
"""Places that the image does not have, below /."""


@pytest.fixture(scope="module", params=["root", "user"])
def mounted(
    request: pytest.FixtureRequest, new_engine: Callable[[str, str], Engine]
) -> Iterator[Engine]:
    """The container c, which ran with mounts of all kinds and wrote into them, and its image."""
    engine = new_engine(request.param, "m")
    engine.ok("pull", "-q", "busybox")
    engine.ok("run", "--name", "c", "--network", "none", "-v", "vol:/data/new", "-v", "/anon",
              "-v", "/usr:/bound:ro", "-v", "/etc/hostname:/file:ro", "--tmpfs", "/deep/er", "-v",
              "other:/home", "busybox", "sh", "-c",
              "for d in data/new anon deep/er home; do echo x > /$d/f; done")  # fmt: skip
    engine.ok("commit", "c", "made:1")
    yield engine
    engine.clean()


def test_commit(mounted: Engine) -> None:
    script = "cd /; ls -ld data data/new anon bound deep deep/er file | cut -c1-10; " \
             "find data anon bound deep file home -type f -size +0; wc -c < file"  # fmt: skip
    seen = mounted.ok("run", "--rm", "--network", "none", "made:1", "sh", "-c", script).split()
    assert seen == ["drwxr-xr-x"] * 6 + ["-rwxr-xr-x", "0"] or seen == ["drwxr-xr-x"] * 6 + [
        "-rw-r--r--", "0"]  # fmt: skip


def test_export(mounted: Engine) -> None:
    raw = mounted.run("export", "c", check=True).raw
    with tarfile.open(fileobj=io.BytesIO(raw)) as whole:
        found = {m.name.rstrip("/"): m for m in whole}
    assert found.keys() >= MADE, MADE - found.keys()
    assert not any(name.endswith("/f") or name.startswith("bound/") for name in found)
    assert found["file"].isreg() and found["file"].size == 0


def test_diff(mounted: Engine) -> None:
    """As docker's: added, like anything else that is there now and was not."""
    lines = mounted.ok("diff", "c").splitlines()
    assert {f"A /{name}" for name in MADE} <= set(lines), lines
    assert not any(line.endswith("/f") for line in lines)
    assert not any("/home" in line for line in lines)


def test_diff_of_the_image(mounted: Engine) -> None:
    assert {f"A /{name}" for name in MADE} <= set(
        mounted.ok("image", "diff", "made:1").splitlines()
    )


def test_those_of_the_engine_are_not_there(mounted: Engine) -> None:
    """Places for /dev, /proc, resolv.conf and the like are no change of the container."""
    lines = mounted.ok("diff", "c").splitlines()
    for place in ("/dev", "/proc", "/sys", "/etc", "/etc/hosts", "/etc/resolv.conf"):
        assert not any(line.split()[1] == place for line in lines), lines
