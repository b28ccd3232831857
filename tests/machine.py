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


def together(parts: dict[str, str]) -> str:
    """A script in which each of several stands by itself: one that fails does not end the others.
    `apart` takes what it prints."""
    ran = (f"echo '=== {name}'\n(set -eu\n{script})\n[ $? = 0 ] || echo failed\n"
           for name, script in parts.items())  # fmt: skip
    return "set +e\n" + "".join(ran) + "true\n"


def apart(lines: list[str]) -> dict[str, list[str]]:
    """What each part of `together` printed, by its name."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("=== "):
            found[line[4:]] = []
        else:
            found[[*found][-1]].append(line)
    return found


def in_vm(script: str, work: Path, *options: str, timeout_s: int = 360) -> list[str]:
    """The lines that `script` (sh) prints in the guest."""
    file = work / "script"
    file.write_text(script)
    done = subprocess.run(
        [sys.executable, VM_RUN, *options, "--timeout", str(timeout_s), "--", "sh", file],
        capture_output=True, text=True, timeout=timeout_s + 20,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()
