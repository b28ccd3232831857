"""More output than anybody wants, while a client of the container stands still."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import NamedTuple

from endurance import peak_kib
from engine import Engine

MAX_SIZE, MAX_FILE = 4 << 20, 3
LIMITS = ("--log-opt", "max-size=4m", "--log-opt", f"max-file={MAX_FILE}")
SLACK = 256 << 10
"""By how much a file may pass its size: what one read brought."""


class Flood(NamedTuple):
    """How long the container took for it, the most bytes of its log, its streams' most memory."""

    container: str
    took_s: float
    disk: int
    memory_kib: int


def flood(engine: Engine, script: str, timeout_s: float = 60) -> Flood:
    """Run a shell script that begins by printing a line, beside a client that is stopped (SIGSTOP)
    once it has that.  The container goes on to sleep afterwards."""
    container_id = engine.detached(*LIMITS, "busybox", "sh", "-c",
                                   f"sleep 0.5; echo 1; {script}; touch /done; sleep 1000",
                                   )  # fmt: skip
    init, reader = engine.pids(container_id)[1], engine.streams(container_id)
    client = engine.popen("attach", "--no-stdin", container_id)
    assert client.stdout.readline() == b"1\n"
    client.send_signal(signal.SIGSTOP)
    logs = engine.root / "containers" / container_id
    largest = 0
    began = time.monotonic()
    while not Path(f"/proc/{init}/root/done").exists():
        assert time.monotonic() - began < timeout_s, "the container waits for a client"
        sizes = []
        for file in logs.glob("container.log*"):
            with contextlib.suppress(FileNotFoundError):  # rotated away
                sizes.append(file.stat().st_size)
        largest = max(largest, sum(sizes))
        time.sleep(0.01)
    took = time.monotonic() - began
    client.kill()
    return Flood(container_id, took, largest, peak_kib(reader))
