"""The same again and again, and what it cost each time."""

from __future__ import annotations

import os
import re
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from engine import Engine, free_port


class Cycles(NamedTuple):
    """Of each start and stop: seconds, descriptors and the most memory, in KiB, of the monitor and
    the streams, and the files of containers afterwards."""

    spans: list[float]
    descriptors: list[int]
    memory: list[int]
    files: list[int]

    def drift(self, n: int) -> float:
        """How much longer the last `n` took than the first ones: 1 is as long."""
        return statistics.median(self.spans[-n:]) / statistics.median(self.spans[:n])


def peak_kib(pid: int) -> int:
    """The most memory that a process has had."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def start_and_stop(engine: Engine, times: int) -> Cycles:
    """One container with a port and a volume."""
    done = Cycles([], [], [], [])
    engine.ok("create", "-p", f"{free_port()}:80", "-v", "data:/data", "--name", "web",
              "--stop-timeout", "0", "busybox", "sleep", "1000")  # fmt: skip
    for _ in range(times):
        began = time.monotonic()
        engine.ok("start", "web")
        container_id = engine.inspect("web")["Id"]
        ours = engine.pids(container_id)[0], engine.streams(container_id)
        done.descriptors.append(sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in ours))
        done.memory.append(sum(map(peak_kib, ours)))
        engine.ok("stop", "web")
        done.spans.append(time.monotonic() - began)
        done.files.append(sum(len(n) for _, _, n in os.walk(engine.root / "containers")))
    return done


def create_and_remove(engine: Engine, times: int) -> None:
    for _ in range(times):
        engine.ok("rm", engine.ok("create", "--network", "none", "busybox", "true"))
