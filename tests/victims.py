"""Processes that are killed, and what is told of containers then."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from engine import Engine, wait_for


def alive(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(*pids: int) -> None:
    """SIGKILL to all, then wait for their ends."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        wait_for(lambda pid=pid: not alive(pid), 5)


def status_of(engine: Engine, name: str) -> str:
    """`STATE STATUS` in ps -a, like `exited Exited (3) 1 second ago`."""
    rows = engine.ok("ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}").split("\n")
    return next(row.partition(" ")[2] for row in rows if row.startswith(name + " "))


def reboot(engine: Engine) -> None:
    """What a boot leaves of a store: no process, and no run directory."""
    lines = engine.processes()
    for line in sorted(lines, key=lambda line: "crunpy-monitor" not in line):  # or they note ends
        pid = int(line.split()[0])
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not engine.processes())
    shutil.rmtree(engine.run_root)
