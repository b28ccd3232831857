"""Workers with toy calls, programs that use them, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import CHECKOUT, REACHABLE, wait_for

from crun_py.worker.channel import Worker

HERE = Path(__file__).resolve().parent
PRELUDE = """
import os, pathlib, signal, socket, sys, threading, time
from crun_py.errors import CrunpyError
from crun_py.worker.channel import Worker
worker = Worker(package="toy", preload=("toy.containers",))
call = worker.call
"""


def toy_worker(**kwargs: Any) -> Worker:
    return Worker(
        "/tmp/toy-root", "/tmp/toy-run", package="toy", preload=("toy.containers",), **kwargs
    )


def descriptors() -> dict[str, str]:
    """The open descriptors of this process, without the one that lists them."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            continue
    return found


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int, timeout_s: float = 5) -> None:
    wait_for(lambda: not alive(pid), timeout_s)


@contextmanager
def nothing_left() -> Iterator[None]:
    """No descriptor more than before; another thread may just be closing one, and those of earlier
    tests may go meanwhile."""
    before = descriptors().items()
    yield
    wait_for(lambda: descriptors().items() <= before, 5)


SPAWNING = """
import os, sys
pid = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
"""A caller that leaves signals of the C library ignored, as make(1) does with glibc."""


def program(
    code: str, *, user: str = "", wait: bool = True, spawned: bool = False, **kwargs: Any
) -> Any:
    """Run a program that has a `worker`; its output, or the process.  spawned: by SPAWNING."""
    top, here, python = str(CHECKOUT), str(HERE), sys.executable
    if user:
        kwargs["user"] = kwargs["group"] = user
        top, here, python = (p.replace(top, str(REACHABLE), 1) for p in (top, here, python))
    environment = {**os.environ, "PYTHONPATH": f"{top}:{here}", "PYTHONWARNINGS": "error"}
    process = subprocess.Popen(
        [python, *(("-c", SPAWNING) if spawned else ()), "-c", PRELUDE + textwrap.dedent(code)],
        text=True, cwd="/",
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment, **kwargs},
    )  # fmt: skip
    if not wait:
        return process
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{out}{err}"
    assert not err, err
    return out


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    gone(pid)
