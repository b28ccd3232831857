"""A virtual machine with a kernel of its own (tests/vm/README.md)."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from engine import CHECKOUT

VM_RUN = CHECKOUT / "tests/vm/vm-run"


COMMAND = shlex.join([sys.executable, str(CHECKOUT / "crun_py/__main__.py")])
"""crunpy, in the guest."""


def prologue(store: Path) -> str:
    """Copies an engine's store into the guest, since the host's is read-only there."""
    return f"""
    set -eu
    mkdir -p $TMPDIR/s/root
    cp -r {store}/images {store}/layers $TMPDIR/s/root/
    export CRUNPY_ROOT=$TMPDIR/s/root CRUNPY_RUNROOT=$TMPDIR/s/run
    crunpy() {{ {COMMAND} "$@"; }}
    """


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


NESTED = """
nested='cd /sys/fs/cgroup; mkdir -p own inner/deep/er frozen; echo 1 > own/cgroup.procs
    echo "+memory +pids" > cgroup.subtree_control
    sleep 1000 & echo $! > inner/deep/er/cgroup.procs
    sleep 1001 & echo $! > frozen/cgroup.procs; echo 1 > frozen/cgroup.freeze; echo made; $0'
groups() { find /sys/fs/cgroup -path '*crunpy[-/]*' -type d | grep -v crunpy-command | wc -l; }
gone() { for _ in $(seq 50); do [ "$(groups)" != 0 ] || break; sleep 0.2; done; groups; }
crunpy run -d --name a --privileged --network none --stop-timeout 0 busybox \
    sh -c "$nested" 'sleep 1000' > /dev/null
until [ "$(crunpy logs a)" = made ]; do sleep 0.2; done
groups
crunpy exec a cat /proc/self/cgroup
crunpy rm -f a
gone
crunpy run -d --name b --privileged --network none --stop-timeout 0 busybox \
    sh -c "$nested" 'exit 3' > /dev/null
crunpy wait b
until [ "$(groups)" = 0 ]; do sleep 0.2; done
crunpy run --name c --privileged --network none busybox sh -c "$nested" 'exit 4' || echo $?
gone
crunpy rm b c
"""
"""Containers that make control groups below their own, with processes in them, one frozen."""
NESTED_EXPECTED = """
6
0::/own
a
0
3
made
4
0
b
c
"""
