"""Who makes cgroups, where they are, and what to do where nobody may."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import REACHABLE

from crun_py import caller
from crun_py.cgroup import delegation, group, manager
from crun_py.errors import InvalidArgument
from crun_py.paths import host_uid


@pytest.mark.parametrize(
    "name,path",
    [
        ("machine.slice", "/machine.slice"),
        ("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"),
        ("-.slice", ""),
    ],
)
def test_where_a_slice_is(name: str, path: str) -> None:
    """systemd.slice(5)."""
    assert manager.slice_path(name) == path


@pytest.mark.parametrize(
    "name,parent,words",
    [
        ("wrong", "", "not known"),
        ("systemd", "/a/b", "not the name of a slice"),
        ("cgroupfs", "a.slice", "a slice of systemd"),
    ],
)
def test_what_cannot_be(name: str, parent: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        manager.check(name, parent)


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A host with systemd, pure cgroup v2 and the bus of a plain user."""
    monkeypatch.setattr(manager, "_BOOTED", str(tmp_path))
    monkeypatch.setattr(group, "mount_point", lambda: "/sys/fs/cgroup")
    (tmp_path / "bus").touch()
    before = caller.variables()
    caller.has({"XDG_RUNTIME_DIR": str(tmp_path)})
    yield tmp_path
    caller.has(before)


def test_systemd_where_it_is_there(booted: Path) -> None:
    assert manager.bus(rootless=True) == f"{booted}/bus"
    assert manager.chosen("", "", rootless=True) == "systemd"
    assert manager.chosen("", "a.slice", rootless=True) == "systemd"
    assert manager.chosen("", "/a/b", rootless=True) == "cgroupfs"
    assert manager.chosen("cgroupfs", "", rootless=True) == "cgroupfs"
    caller.has({"DBUS_SESSION_BUS_ADDRESS": f"tcp:x;unix:path={booted}/bus,guid=1"})
    assert manager.bus(rootless=True) == f"{booted}/bus"


def test_no_systemd(booted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (booted / "bus").unlink()
    assert manager.bus(rootless=True) in ("", f"/run/user/{host_uid()}/bus")
    (booted / "bus").touch()
    monkeypatch.setattr(group, "mount_point", lambda: "/sys/fs/cgroup/unified")
    assert manager.chosen("", "", rootless=True) == "cgroupfs"
    monkeypatch.setattr(manager, "_BOOTED", "/nowhere")
    monkeypatch.setattr(group, "mount_point", lambda: "/sys/fs/cgroup")
    assert manager.chosen("", "", rootless=True) == "cgroupfs"
    assert manager.chosen("systemd", "", rootless=True) == "systemd"


def test_where_a_cgroup_may_be_that_nobody_noted(
    booted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "base", lambda: "/sys/fs/cgroup/crunpy")
    monkeypatch.setattr(manager, "host_uid", lambda: 0)
    scope = "crunpy-ID.scope"
    own = "/sys/fs/cgroup/crunpy/ID"
    assert manager.likely("ID", "") == [own, f"/sys/fs/cgroup/machine.slice/{scope}"]
    assert manager.likely("ID", "a-b.slice")[1] == f"/sys/fs/cgroup/a.slice/a-b.slice/{scope}"
    monkeypatch.setattr(manager, "host_uid", lambda: 7)
    assert manager.likely("ID", "")[1] == (
        f"/sys/fs/cgroup/user.slice/user-7.slice/user@7.service/user.slice/{scope}"
    )


def test_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "systemd.unified_cgroup_hierarchy=1" in delegation.hint("")
    hybrid, top = "/sys/fs/cgroup/unified", "/sys/fs/cgroup"
    assert "systemd.unified_cgroup_hierarchy=1" in delegation.hint(hybrid, "memory")
    monkeypatch.setattr(delegation, "_uid", lambda: 0)
    assert "no cpuset controller" in delegation.hint(top, "cpuset")
    monkeypatch.setattr(delegation, "_uid", lambda: 4711)
    monkeypatch.setattr(delegation, "BOOTED", str(tmp_path))
    assert delegation.hint(top) == "as root: loginctl enable-linger 4711"
    monkeypatch.setattr(delegation, "BOOTED", "/nowhere")
    assert "+memory" in delegation.hint(top) and "chown -R 4711" in delegation.hint(top)
    assert delegation.command(top, 4711, shell="42").endswith("echo 42 > $d/shell/cgroup.procs")
    assert delegation.command(top, 0) == ""
    by_hand = delegation.hint(hybrid)  # for what needs no controller
    assert f"d={hybrid}/user-4711; mkdir" in by_hand and "+memory" not in by_hand


def test_whom_it_is_for() -> None:
    """Root of a container whose user namespace a plain user's engine made is root there; who is
    root of one of his own is himself outside of it."""
    script = "from crun_py.cgroup import delegation; print(delegation._uid())"
    python = [str(REACHABLE / ".venv/bin/python"), "-c", script]
    ours = ["unshare", "--map-user=0", "--map-group=0"]
    user = ["setpriv", "--reuid", "4711", "--regid", "4711", "--clear-groups"]
    theirs = [*user, *ours, "--pid", "--fork", "--mount-proc"]
    for command, told in (([*user, *ours, *python], "4711"), ([*theirs, *python], "0"),
                          ([*user, *python], "4711"), (python, "0")):  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, cwd=REACHABLE)
        assert done.stdout.strip() == told, (command, done.stderr)


def test_our_own_group() -> None:
    where = group.mount_point()
    if where is None:
        pytest.skip("no cgroup v2")
    assert group.of(os.getpid()).startswith(where)
