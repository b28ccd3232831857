"""Commands that get a signal before a chosen system call (tracer.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from engine import CHECKOUT, Engine


def traced(engine: Engine, role: str, k: int, number: int, *command: str) -> Any:
    """As `traced_program`, of a command of crunpy's."""
    return traced_program(role, k, number, engine.command(*command))


def traced_program(role: str, k: int, number: int, command: list[str]) -> Any:
    """Run `command`; `role` gets signal `number` before its k-th changing call (0: never)."""
    tracer = [sys.executable, str(CHECKOUT / "tests/tracer.py"), role, str(k), str(number)]
    done = subprocess.run(
        [*tracer, *command], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=60, env={"PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
