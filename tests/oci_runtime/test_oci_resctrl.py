"""linux.intelRdt: which group of resctrl a container gets, and what is written there.  The kernel's
file system is one of the test's."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_resctrl import Fake
from oci_bundles import Bundle, Runtime

from crun_py.errors import CrunpyError, InvalidArgument, NotFound, Unsupported
from crun_py.oci_runtime import resctrl


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return Fake(tmp_path / "resctrl").make().top


@pytest.fixture
def here(top: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `top`, for this process."""
    fake = Fake(top)
    monkeypatch.setattr(resctrl, "MOUNTINFO", str(fake.mountinfo))
    monkeypatch.setattr(resctrl, "_mkdir", fake.mkdir)
    monkeypatch.setattr(resctrl, "_rmdir", shutil.rmtree)
    return top


def made(wanted: Any) -> resctrl.Group:
    group = resctrl.plan("c", wanted)
    resctrl.make(group, wanted)
    return group


def groups(top: Path) -> list[str]:
    return sorted(
        p.name for p in top.iterdir() if p.is_dir() and p.name not in ("info", "mon_groups")
    )


def test_a_group_of_its_own(here: Path) -> None:
    group = made({"l3CacheSchema": "L3:0=ff", "memBwSchema": "MB:0=20"})
    assert group.path == f"{here}/c" and groups(here) == ["c"]
    assert (here / "c/schemata").read_text().startswith("L3:0=ff\nMB:0=20\n")
    resctrl.add(group.places, 42)
    assert (here / "c/tasks").read_text() == "42"
    resctrl.remove(group.made)
    assert groups(here) == []
    resctrl.remove(group.made)  # once more
    resctrl.add(group.places, 42)


def test_nothing_but_a_group(here: Path) -> None:
    before = (here / "schemata").read_text()
    group = made({})
    assert (here / "c/schemata").read_text() == before
    with pytest.raises(InvalidArgument, match="is there already"):
        made({})
    resctrl.remove(group.made)


def test_one_that_is_named(here: Path) -> None:
    with pytest.raises(NotFound, match="closID: there is no "):
        resctrl.plan("c", {"closID": "gold"})
    group = made({"closID": "gold", "memBwSchema": "MB:0=20"})
    assert group.path == f"{here}/gold" and group.made == ()  # it stays for others
    os.truncate(here / "gold/schemata", 0)
    (here / "gold/schemata").write_text("    MB:0= 20;1=070\n    L3:0=00FF;1=1f\n")
    assert made({"closID": "gold"}).made == ()
    assert made({"closID": "gold", "memBwSchema": "MB:0=20"}).made == ()
    assert made({"closID": "gold", "l3CacheSchema": "L3:0=ff"}).made == ()
    for other in ("L3:0=fe", "L3:2=ff"):
        with pytest.raises(InvalidArgument, match="has other shares than"):
            resctrl.plan("c", {"closID": "gold", "l3CacheSchema": other})


def test_whose_bandwidth_counts(here: Path) -> None:
    made({"l3CacheSchema": "MB:0=50\nL3:0=f", "memBwSchema": "MB:0=20", "schemata": ["L3:1=1"]})
    # the further lines are written last, and to a plain file from its beginning
    assert (here / "c/schemata").read_text().startswith("L3:1=1\nMB:0=20\n")


def test_what_is_measured(here: Path) -> None:
    group = made({"closID": "gold", "memBwSchema": "MB:0=20", "enableCMT": True, "enableMBM": True})
    assert group.made == (f"{here}/gold/mon_groups/c",)
    resctrl.add(group.places, 7)
    assert (here / "gold/mon_groups/c/tasks").read_text() == "7"
    assert (here / "gold/tasks").read_text() == "7"
    resctrl.remove(group.made)
    assert groups(here) == ["gold"] and not (here / "gold/mon_groups/c").exists()
    (here / "info/L3_MON/mon_features").unlink()
    for key in ("enableCMT", "enableMBM", "enableMonitoring"):
        with pytest.raises(Unsupported, match=key):
            resctrl.plan("c", {key: True})  # type: ignore[misc]


def test_what_the_kernel_refuses(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsupported, match="no L2 is shared"):
        resctrl.plan("c", {"schemata": ["L2:0=f"]})
    (here / "info/last_cmd_status").write_text("mask 1f0f has non-consecutive 1-bits\n")
    fake = Fake(here)

    def full(path: str, mode: int = 0o777) -> None:
        fake.mkdir(path, mode)
        (Path(path) / "schemata").unlink()
        (Path(path) / "schemata").symlink_to("/dev/full")

    monkeypatch.setattr(resctrl, "_mkdir", full)
    with pytest.raises(CrunpyError) as caught:
        made({"l3CacheSchema": "L3:0=1f0f"})
    assert "writing 'L3:0=1f0f' to" in str(caught.value)
    assert caught.value.hint == "mask 1f0f has non-consecutive 1-bits"
    assert groups(here) == []


def test_a_host_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text("22 1 0:5 / /proc rw - proc proc rw\n")
    monkeypatch.setattr(resctrl, "MOUNTINFO", str(tmp_path / "mountinfo"))
    with pytest.raises(Unsupported, match="no resctrl file system is mounted"):
        resctrl.plan("c", {})


@pytest.mark.parametrize("wrong", [{"closID": "a/b"}, {"closID": ".."}, {"closID": "mon_groups"},
                                   {"memBwSchema": "L3:0=1"}, {"memBwSchema": "MB:0=1\nL3:0=1"},
                                   {"schemata": "L3:0=1"}, {"schemata": [1]}, {"enableCMT": 1},
                                   {"closID": 5}])  # fmt: skip
def test_forms(oci: Runtime, bundle: Bundle, wrong: Any) -> None:
    bundle.config["linux"]["intelRdt"] = wrong
    bundle.write("true")
    assert "linux.intelRdt" in oci.fails("create", "-b", bundle.path, "c")


def test_a_container(bundle: Bundle, top: Path, tmp_path: Path) -> None:
    program = tmp_path / "crunpy-oci"
    fake = Path(__file__).with_name("fake_resctrl.py")
    command = shlex.join([sys.executable, str(fake), str(top)])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o755)
    oci = Runtime(program, tmp_path / "oci")
    bundle.config["linux"]["intelRdt"] = {"l3CacheSchema": "L3:0=f", "enableMonitoring": True}
    bundle.write("sleep", "100")
    oci.create("c", bundle)
    pid = str(oci.state("c")["pid"])
    assert (top / "c/tasks").read_text() == pid and groups(top) == ["c"]
    assert (top / "c/mon_groups/c/tasks").read_text() == pid
    oci.ok("start", "c")
    assert oci.ok("exec", "c", "echo", "there") == "there"
    assert (top / "c/tasks").read_text() != pid  # who started it
    oci.ok("update", "--l3-cache-schema", "L3:0=7", "--mem-bw-schema", "MB:0=30", "c")
    assert (top / "c/schemata").read_text().startswith("L3:0=7\nMB:0=30\n")
    oci.ok("delete", "--force", "c")
    assert groups(top) == []
    del bundle.config["linux"]["intelRdt"]
    bundle.write("sleep", "100")
    oci.create("c", bundle)  # it has no group, and gets one
    pid = str(oci.state("c")["pid"])
    oci.ok("update", "--mem-bw-schema", "MB:0=30", "c")
    assert (top / "c/schemata").read_text().startswith("MB:0=30\n")
    assert (top / "c/tasks").read_text() == pid
    oci.ok("delete", "--force", "c")
    assert groups(top) == []
    bundle.config["linux"]["intelRdt"] = {"l3CacheSchema": "L3:0=f"}
    bundle.config["process"]["cwd"] = "/proc/1/mem"  # it fails when its group is there
    bundle.write("sleep", "100")
    oci.fails("create", "-b", bundle.path, "c")
    assert groups(top) == [] and os.listdir(oci.root) == []


def test_a_group_that_a_killed_create_left(bundle: Bundle, top: Path, tmp_path: Path) -> None:
    """`delete` finds it: it is written down before it is made."""
    program = tmp_path / "crunpy-oci"
    fake = Path(__file__).with_name("fake_resctrl.py")
    words = shlex.join(["env", "KILLED=1", sys.executable, str(fake), str(top)])
    program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    program.chmod(0o755)
    oci = Runtime(program, tmp_path / "oci")
    bundle.config["linux"]["intelRdt"] = {"l3CacheSchema": "L3:0=f"}
    bundle.write("sleep", "100")
    assert oci.run("create", "-b", bundle.path, "c").returncode == -signal.SIGKILL
    assert groups(top) == ["c"]
    oci.ok("delete", "--force", "c")
    assert groups(top) == [] and os.listdir(oci.root) == []
