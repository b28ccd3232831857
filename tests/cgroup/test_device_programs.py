"""Rules of device cgroups as programs that the kernel runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from crun_py.cgroup import devices, group

if TYPE_CHECKING:
    from crun_py.documents.spec import LinuxDeviceCgroup

NOTHING: LinuxDeviceCgroup = {"allow": False, "access": "rwm"}
NULL: LinuxDeviceCgroup = {"allow": True, "access": "rwm", "type": "c", "major": 1, "minor": 3}
CODE = """
import os, sys, stat
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
for name, number in (("null", 3), ("zero", 5), ("full", 7)):
    made, path = "", f"{sys.argv[2]}/{name}"
    for word, flags in (("r", os.O_RDONLY), ("w", os.O_WRONLY), ("rw", os.O_RDWR)):
        try:
            os.close(os.open("/dev/" + name, flags))
            made += "," + word
        except PermissionError:
            pass
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, number))
        os.unlink(path)
        made += ",m"
    except PermissionError:
        pass
    print(name + ":" + made[1:], end=" ")
"""


@pytest.fixture
def cgroup() -> Iterator[str]:
    path = group.create(f"devices{os.getpid()}")
    assert path
    yield path
    group.remove(path)


ALL, NONE = "null:r,w,rw,m zero:r,w,rw,m full:r,w,rw,m", "null: zero: full:"


def one(access: str, minor: int = -1, kind: str = "c", *, allow: bool = True) -> LinuxDeviceCgroup:
    rule: LinuxDeviceCgroup = {"allow": allow, "access": access, "type": kind}
    if minor >= 0:
        rule["major"], rule["minor"] = 1, minor
    return rule


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], NONE),
        ([NOTHING], NONE),
        ([NOTHING, NULL], "null:r,w,rw,m zero: full:"),
        ([NULL, NOTHING], NONE),  # the last word decides
        ([NOTHING, one("m"), one("r", 5)], "null:m zero:r,m full:m"),
        ([NOTHING, one("r", 3), one("w", 3)], "null:r,w,rw zero: full:"),  # by two rules together
        ([{"allow": True, "access": "rwm"}, one("w", 7, allow=False)], ALL.removesuffix(
            "full:r,w,rw,m") + "full:r,m"),
        ([one("rwm"), one("rwm", 5, allow=False)], "null:r,w,rw,m zero: full:r,w,rw,m"),
        ([{"allow": True, "access": "mwr", "type": "a"}], ALL),
        ([NOTHING, one("rwm", kind="b")], NONE),
        ([NOTHING, {"allow": True, "access": "rw", "major": 1}],
         "null:r,w,rw zero:r,w,rw full:r,w,rw"),
        ([NOTHING, *(one("rwm", n) for n in range(200, 400)), one("r", 3)], "null:r zero: full:"),
    ],
)  # fmt: skip
def test_rules(
    cgroup: str, tmp_path: os.PathLike[str], rules: list[LinuxDeviceCgroup], expected: str
) -> None:
    devices.guard(cgroup, rules)
    command = [sys.executable, "-I", "-S", "-c", CODE, cgroup, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


def test_two_programs_must_both_allow(cgroup: str, tmp_path: os.PathLike[str]) -> None:
    """One of systemd's, or of an engine around us, stays."""
    devices.guard(cgroup, [NOTHING, NULL, one("r", 5)])
    devices.guard(cgroup, [NOTHING, one("r", 3), one("rwm", 5)])
    command = [sys.executable, "-I", "-S", "-c", CODE, cgroup, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "null:r zero:r full:"
