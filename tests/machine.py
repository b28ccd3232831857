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
