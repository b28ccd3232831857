"""Devices that a container's cgroup lets it open: --device-cgroup-rule, --device …:r, and those
that mount for themselves."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine

TRY = "for a in '<' '>'; do eval \"true $a{}\" 2>/dev/null && echo \"$a\"; done; true"


@pytest.fixture(scope="module")
def disk(base: Path) -> Iterator[str]:
    """A block device that a test may write to."""
    image = base / "disk"
    image.write_bytes(bytes(1 << 20))
    done = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, check=True)
    yield done.stdout.decode().strip()
    subprocess.run(["losetup", "-d", done.stdout.decode().strip()], check=True)


def opened(root: Engine, path: str, *options: str, before: str = "") -> str:
    """How `path` can be opened in a container: "<" to read, ">" to write."""
    script = before + TRY.format(path)
    command = ("run", "--rm", "--network", "none", *options, "busybox", "sh", "-c", script)
    return root.ok(*command).replace("\n", "")


def numbers(path: str) -> str:
    found = os.stat(path).st_rdev
    return f"{os.major(found)}:{os.minor(found)}"


def test_access_of_a_device(root: Engine, disk: str) -> None:
    assert opened(root, "/dev/d", "--device", f"{disk}:/dev/d") == "<>"
    assert opened(root, "/dev/d", "--device", f"{disk}:/dev/d:r") == "<"
    assert opened(root, "/dev/d", "--device", f"{disk}:/dev/d:w") == ">"
    assert opened(root, "/dev/d", "--device", f"{disk}:/dev/d:m") == ""


def test_the_usual_devices_stay_usable_beside_it(root: Engine, disk: str) -> None:
    share = ("--device", f"{disk}:/dev/d:r", "-t")
    for path in ("/dev/null", "/dev/zero", "/dev/tty", "/dev/ptmx", "/dev/console"):
        found = opened(root, path, *share).replace("\r", "")
        assert found == "<>", path


def test_exec_is_guarded_too(root: Engine, disk: str) -> None:
    container = root.detached("--device", f"{disk}:/dev/d:r", "busybox", "sleep", "1000")
    found = root.ok("exec", container, "sh", "-c", TRY.format("/dev/d"))
    assert found == "<"
    root.ok("rm", "-f", container)


def test_rules(root: Engine, disk: str) -> None:
    """A node that the container made itself (docker's own use of it)."""
    major, _, minor = numbers(disk).partition(":")
    make = f"mkdir -p /d; mknod /d/n b {major} {minor}; "
    rule = "--device-cgroup-rule"
    assert opened(root, "/d/n", before=make) == ""
    assert opened(root, "/d/n", rule, f"b {numbers(disk)} rwm", before=make) == "<>"
    assert opened(root, "/d/n", rule, f"b {major}:* r", before=make) == "<"
    assert opened(root, "/d/n", rule, f"a *:{minor} w", before=make) == ">"
    assert opened(root, "/d/n", rule, f"b {int(major) + 1}:* rwm", before=make) == ""
    assert opened(root, "/d/n", rule, "c *:* rwm", before=make) == ""
    assert opened(root, "/dev/n", rule, f"b {numbers(disk)} rwm",
                  before=make.replace("/d", "/dev")) == "<>"  # fmt: skip


def test_nodes_of_the_image_open_nothing_without_a_rule(
    root: Engine, disk: str, tmp_path: Path
) -> None:
    """Also where the mounts are no more nodev."""
    found = os.stat(disk).st_rdev
    container = root.ok("create", "--device-cgroup-rule", "c 1:7 rwm", "busybox", "sh", "-c",
                        TRY.format("/node")).strip()  # fmt: skip
    upper = root.root / "containers" / container / "upper"
    os.mknod(upper / "node", 0o666 | stat.S_IFBLK, found)
    assert root.ok("start", "-a", container) == ""
    root.ok("rm", container)


@pytest.mark.parametrize("given", [(), ("--security-opt", "seccomp=unconfined")])
def test_who_may_mount_gets_no_device_of_the_host(
    root: Engine, disk: str, given: tuple[str, ...]
) -> None:
    """A tmpfs of its own is not nodev: CAP_SYS_ADMIN must not lead to the host's disks."""
    major, _, minor = numbers(disk).partition(":")
    own = "mkdir -p /m; mount -t tmpfs tmpfs /m; "
    make = own + f"mknod /m/n b {major} {minor}; [ -b /m/n ] || exit 9; "
    add = ("--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined", *given)
    assert opened(root, "/m/n", *add, before=make) == ""
    make = own + "mknod /m/n c 1 3; "
    assert opened(root, "/m/n", *add, before=make) == "<>"


def test_inspect(root: Engine) -> None:
    container = root.ok("create", "--device-cgroup-rule", "c 42:* rmw", "--device-cgroup-rule",
                        "a *:* r", "busybox").strip()  # fmt: skip
    assert root.inspect(container)["HostConfig"]["DeviceCgroupRules"] == ["c 42:* rmw", "a *:* r"]
    root.ok("rm", container)


@pytest.mark.parametrize("rule", ["x 1:3 r", "c 1:3", "c 1 r", "c 1:3 q", "c -1:3 r", "c 1:3 "])
def test_bad_rules(root: Engine, rule: str) -> None:
    done = root.run("create", "--device-cgroup-rule", rule, "busybox")
    assert done.code == 125 and "not TYPE MAJOR:MINOR ACCESS" in done.err


def test_a_plain_user_is_told(user: Engine) -> None:
    done = user.run("create", "--device-cgroup-rule", "c 1:7 rwm", "busybox")
    assert done.code == 125 and "root of the host alone" in done.err


def test_without_a_cgroup_it_is_refused(root: Engine, disk: str) -> None:
    done = root.run("run", "--rm", "--cgroups", "disabled", "--device", f"{disk}:/dev/d:r",
                    "busybox", "true")  # fmt: skip
    assert done.code == 125 and "no cgroup" in done.err
