"""Limits on a kernel with cgroup v2 (Debian's 6.1 under QEMU, tests/vm/README.md), without systemd:
this project's usual test machines have none.  One boot for root, in which also whatever else needs
such a kernel is looked at, and one for a user who has a delegated cgroup."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from delegation_machine import BY_HAND, BY_HAND_EXPECTED, plain_user
from engine import Engine
from limits_machine import (
    DISK_AND_CPUS,
    DISK_AND_CPUS_EXPECTED,
    EXPLAINED,
    EXPLAINED_EXPECTED,
    LIMITS,
    LIMITS_EXPECTED,
    NESTED,
    NESTED_EXPECTED,
    OOM,
    OOM_EXPECTED,
    PODS,
    PODS_EXPECTED,
)
from machine import apart, in_vm, prologue, together
from oci_machine import CGROUPFS, CGROUPFS_EXPECTED
from profiles_machine import (
    OF_A_USER,
    OF_A_USER_EXPECTED,
    PROFILES,
    PROFILES_EXPECTED,
)
from streams_machine import STREAMS, STREAMS_EXPECTED

pytestmark = [
    pytest.mark.timeout(1000),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
]


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    """A directory that the guest's user can enter."""
    path = base / "vm-limits"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def root(fresh: Callable[[str], Engine]) -> Engine:
    """A store with nothing but what the guest is given: it is copied."""
    return fresh("root")


@pytest.fixture
def user(fresh: Callable[[str], Engine]) -> Engine:
    """As `root`, a plain user's."""
    return fresh("user")


def lines(text: str) -> list[str]:
    return text.strip("\n").split("\n")


def test_on_roots_machine(root: Engine, work: Path, user_name: str) -> None:
    """Limits; AppArmor's profiles; the streams' jail; a plain user who is given cgroups by the
    commands that crunpy prints."""
    root.run("pull", "-q", "busybox", check=True)
    # the profiles first: it is seen that none is loaded
    parts = {"profiles": PROFILES, "limits": LIMITS, "explained": EXPLAINED,
             "disk": DISK_AND_CPUS, "oom": OOM, "oci": CGROUPFS, "pods": PODS, "streams": STREAMS,
             "by hand": plain_user(user_name, root.root) + OF_A_USER + BY_HAND}  # fmt: skip
    found = apart(in_vm(prologue(root.root) + together(parts), work, timeout_s=900))
    found["streams"] = [" ".join(line.split()) for line in found["streams"]]
    assert found["limits"] == lines(LIMITS_EXPECTED)
    assert found["explained"] == lines(EXPLAINED_EXPECTED)
    assert found["disk"] == lines(DISK_AND_CPUS_EXPECTED)
    assert found["oom"] == lines(OOM_EXPECTED)
    assert found["oci"] == lines(CGROUPFS_EXPECTED)
    assert found["pods"] == lines(PODS_EXPECTED)
    assert found["profiles"] == lines(PROFILES_EXPECTED)
    assert found["streams"] == STREAMS_EXPECTED
    assert found["by hand"] == lines(OF_A_USER_EXPECTED) + lines(BY_HAND_EXPECTED)


def test_a_user_with_a_delegated_cgroup(user: Engine, work: Path) -> None:
    user.run("pull", "-q", "busybox", check=True)
    store = work / "store"
    # the guest's user cannot read a home that is another's
    subprocess.run(["cp", "-r", user.root, store], check=True)
    subprocess.run(["chmod", "-R", "a+rX", store], check=True)
    parts = {"limits": LIMITS, "nested": NESTED, "pods": PODS}
    found = apart(
        in_vm(prologue(store) + together(parts), work, f"--user={user.user}", timeout_s=900)
    )
    assert found == {"limits": lines(LIMITS_EXPECTED), "nested": lines(NESTED_EXPECTED),
                     "pods": lines(PODS_EXPECTED)}  # fmt: skip
