"""Volumes that are file systems of their own: volume create -o type=tmpfs|ext4|overlay|nfs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine

RUN = ("run", "--rm", "--network", "none")


def create(engine: Engine, *options: str) -> None:
    engine.ok("volume", "create", *(word for o in options for word in ("-o", o)), "v")


def mounted(engine: Engine) -> bool:
    return f" {engine.root}/volumes/v/_data " in Path("/proc/self/mountinfo").read_text()


@pytest.fixture(autouse=True)
def nothing_stays_mounted(root: Engine) -> Iterator[None]:
    yield
    root.run("rm", "-f", "-a")
    assert not mounted(root)


def inside(engine: Engine, script: str) -> str:
    return engine.ok(*RUN, "-v", "v:/d", "busybox", "sh", "-c", script)


def test_containers_share_a_tmpfs(root: Engine) -> None:
    """As docker's: it is there from the start of the first one to the end of the last one."""
    create(root, "type=tmpfs", "device=tmpfs", "o=size=1m,uid=5")
    root.detached("--name", "a", "-v", "v:/d", "busybox", "sleep", "1000")
    assert mounted(root)
    root.ok("exec", "a", "sh", "-c", "echo shared > /d/f")
    assert inside(root, "cat /d/f; stat -c %u /d; df -k /d | tail -1").split()[:3] == [
        "shared", "5", "tmpfs",
    ]  # fmt: skip
    assert mounted(root)  # a has it still
    root.ok("kill", "a")
    root.ok("rm", "a")
    assert not mounted(root)
    assert inside(root, "ls /d") == ""
    assert not mounted(root)
    root.ok("volume", "rm", "v")


def test_a_file_with_a_file_system(root: Engine) -> None:
    image = root.home / "disk.img"
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    create(root, "type=ext4", f"device={image}", "o=loop,noatime")
    assert root.ok("volume", "inspect", "-f", "{{.Options.type}}", "v") == "ext4"
    inside(root, "echo kept > /d/f")
    assert "lost+found" in inside(root, "ls /d; cat /d/f | grep kept")
    # by hand, and beside a container
    where = root.ok("volume", "mount", "v")
    assert (Path(where) / "f").read_text() == "kept\n"
    inside(root, "true")
    assert mounted(root)
    root.ok("volume", "unmount", "v")
    assert not mounted(root)
    archive = root.home / "v.tar"
    root.ok("volume", "export", "-o", archive, "v")
    assert "f" in subprocess.run(["tar", "tf", archive], capture_output=True, text=True).stdout
    assert not mounted(root)
    root.ok("volume", "mount", "v")
    root.ok("volume", "rm", "v")
    assert not mounted(root)
    found = subprocess.run(["debugfs", "-R", "cat f", image], capture_output=True, text=True)
    assert found.stdout == "kept\n"  # the volume went, what it showed did not


def test_what_is_mounted_is_not_removed_with_the_store(root: Engine) -> None:
    """A mount that is there against all expectations: its files are nobody's to remove."""
    (root.home / "other").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", root.home / "other"], check=True)
    try:
        (root.home / "other/precious").touch()
        root.ok("create", "--name", "c", "--network", "none", "busybox")
        container_id = root.inspect("c")["Id"]
        target = root.root / "containers" / container_id / "upper/there"
        target.mkdir()
        subprocess.run(["mount", "--bind", root.home / "other", target], check=True)
        done = root.run("rm", "c")
        assert "mounted" in done.err or "busy" in done.err, done
        assert (root.home / "other/precious").exists()
    finally:
        for path in root.root.glob("containers/*/upper/there"):
            subprocess.run(["umount", path], check=True)
        subprocess.run(["umount", root.home / "other"], check=True)
    root.ok("run", "--rm", "--network", "none", "busybox", "true")  # removes the rest, too
    assert root.files() == []


def test_an_overlay(engine: Engine) -> None:
    top = engine.home / "layers"
    for name in ("lower", "upper", "work"):
        (top / name).mkdir(parents=True)
    (top / "lower/f").write_text("below")
    if engine.user:
        subprocess.run(["chown", "-R", engine.user, top], check=True)
    create(engine, "type=overlay", "device=overlay",
           f"o=lowerdir={top}/lower,upperdir={top}/upper,workdir={top}/work")  # fmt: skip
    assert inside(engine, "cat /d/f; echo new > /d/g") == "below"
    assert (top / "upper/g").read_text() == "new\n"
    assert not (top / "lower/g").exists()


def test_what_cannot_be_mounted_is_told(root: Engine) -> None:
    create(root, "type=ext4", "device=/no/such/disk")
    told = root.fails(*RUN, "-v", "v:/d", "busybox", "true")
    assert "mounting volume v (ext4)" in told and "/no/such/disk" in told
    assert root.ps("-a") == [] and not mounted(root)
    for bad, said in (
        (("type=proc", "device=proc"), "not a file system for files"),
        (("type=nfs", "o=addr=192.0.2.1"), "needs device"),
        (("type=overlay", "device=overlay"), "lowerdir"),
    ):
        words = [word for o in bad for word in ("-o", o)]
        assert said in root.fails("volume", "create", *words, "w"), bad


def test_most_take_root(user: Engine) -> None:
    told = user.fails("volume", "create", "-o", "type=nfs", "-o", "device=:/x", "w")
    assert "takes root" in told
    told = user.fails(*RUN, "--mount", "type=volume,src=w,dst=/d,volume-opt=type=nfs,"
                      "volume-opt=device=:/x", "busybox", "true")  # fmt: skip
    assert "for root only" in told
    assert user.run("volume", "exists", "w").code == 1
