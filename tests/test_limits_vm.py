"""Limits on a kernel with cgroup v2 (Debian's 6.1 under QEMU, tests/vm/README.md): this
project's usual test machines have none.  One boot for root, one for a delegated user."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine import CHECKOUT, Engine

VM_RUN = CHECKOUT / "tests/vm/vm-run"

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the recipe boots an x86-64 guest"),
]


def in_vm(script: str, work: Path, *options: str) -> list[str]:
    """The lines that `script` (sh) prints in the guest."""
    file = work / "script"
    file.write_text(script)
    done = subprocess.run(
        [sys.executable, VM_RUN, *options, "--timeout", "360", "--", "sh", file],
        capture_output=True, text=True, timeout=380,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def prologue(engine: Engine, store: Path) -> str:
    """Copies an engine's store into the guest, since the host's is read-only there."""
    command = shlex.join([sys.executable, str(CHECKOUT / "crun_py/__main__.py")])
    return f"""
    set -eu
    mkdir -p $TMPDIR/s/root
    cp -r {store}/images {store}/layers $TMPDIR/s/root/
    export CRUNPY_ROOT=$TMPDIR/s/root CRUNPY_RUNROOT=$TMPDIR/s/run
    crunpy() {{ {command} "$@"; }}
    """


LIMITS = """
crunpy run --rm --network none -m 64m --memory-swap 64m --pids-limit 30 \
    --cpus 0.5 --cpu-shares 512 busybox \
    sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpu.weight'
crunpy run --name eater --network none -m 64m busybox tail /dev/zero || echo status $?
crunpy inspect -f '{{.State.OOMKilled}} {{.State.ExitCode}}' eater
crunpy run --rm --network none busybox cat /sys/fs/cgroup/pids.max /proc/self/cgroup
crunpy rm eater
find /sys/fs/cgroup -path '*crunpy/*' -type d
"""
EXPECTED = """
67108864
30
50000 100000
20
status 137
true 137
2048
0::/
eater
"""


@pytest.fixture
def work(base: Path) -> Iterator[Path]:
    """A directory that the guest's user can enter."""
    path = base / "vm"
    path.mkdir()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_limits_hold_for_root(root: Engine, work: Path) -> None:
    root.run("pull", "-q", "busybox", check=True)
    lines = in_vm(prologue(root, root.root) + LIMITS, work)
    assert lines == EXPECTED.split("\n")[1:-1]


def test_limits_hold_for_a_user_with_a_delegated_cgroup(user: Engine, work: Path) -> None:
    user.run("pull", "-q", "busybox", check=True)
    store = work / "store"
    # the guest's user cannot read a home that is another's
    subprocess.run(["cp", "-r", user.root, store], check=True)
    subprocess.run(["chmod", "-R", "a+rX", store], check=True)
    lines = in_vm(prologue(user, store) + LIMITS, work, f"--user={user.user}")
    assert lines == EXPECTED.split("\n")[1:-1]
