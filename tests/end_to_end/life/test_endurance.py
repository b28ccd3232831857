"""The same again and again: nothing is left, and it does not get slower."""

from __future__ import annotations

import os
import statistics
import time

from engine import Engine, free_port


def test_start_and_stop_many_times(root: Engine) -> None:
    """With a port and a volume: descriptors, files and time stay as they were."""
    port = free_port()
    root.ok("create", "-p", f"{port}:80", "-v", "data:/data", "--name", "web", "--stop-timeout",
            "0", "busybox", "sleep", "1000")  # fmt: skip
    spans, files, descriptors = [], [], []
    for _ in range(40):
        began = time.monotonic()
        root.ok("start", "web")
        monitor = root.pids(root.inspect("web")["Id"])[0]
        descriptors.append(len(os.listdir(f"/proc/{monitor}/fd")))
        root.ok("stop", "web")
        spans.append(time.monotonic() - began)
        files.append(sum(len(names) for _, _, names in os.walk(root.root / "containers")))
    assert len(set(descriptors)) == 1 and len(set(files[1:])) == 1
    assert statistics.median(spans[-10:]) < 2 * statistics.median(spans[:10])
    assert root.interfaces() == []
    root.ok("rm", "-v", "web")


def test_create_and_remove_many_times(root: Engine) -> None:
    for _ in range(40):
        container_id = root.ok("create", "--network", "none", "busybox", "true")
        root.ok("rm", container_id)
    assert not root.settled()


def test_restart_many_times_by_policy(root: Engine) -> None:
    """Each restart is a new monitor: the old ones are gone."""
    root.detached("--name", "web", "--restart", "on-failure:6", "busybox", "false")
    deadline = time.monotonic() + 60
    while (found := root.inspect("web"))["RestartCount"] < 6 or found["State"]["Restarting"]:
        assert time.monotonic() < deadline
        assert sum("crunpy-monitor" in line for line in root.processes()) <= 2
        time.sleep(0.2)
    root.ok("rm", "web")
    assert not root.settled()
