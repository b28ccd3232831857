"""The same again and again: nothing is left, and it does not get slower."""

from __future__ import annotations

import time

from endurance import create_and_remove, start_and_stop
from engine import Engine, skip_if_missing, wait_for


def test_start_and_stop_many_times(root: Engine) -> None:
    """With a port and a volume: descriptors, files and time stay as they were."""
    done = start_and_stop(root, 40)
    assert len(set(done.descriptors)) == 1 and len(set(done.files[1:])) == 1
    assert done.drift(10) < 2
    wait_for(lambda: not root.interfaces())  # the kernel frees a network namespace a little later
    root.ok("rm", "-v", "web")


def test_create_and_remove_many_times(root: Engine) -> None:
    create_and_remove(root, 40)
    assert not root.left()


def test_restart_many_times_by_policy(root: Engine) -> None:
    """Each restart is a new monitor: the old ones are gone."""
    root.detached("--name", "web", "--restart", "on-failure:6", "busybox", "false")
    deadline = time.monotonic() + 60
    while (found := root.inspect("web"))["RestartCount"] < 6 or found["State"]["Restarting"]:
        assert time.monotonic() < deadline
        assert sum("crunpy-monitor" in line for line in root.processes()) <= 2
        time.sleep(0.2)
    root.ok("rm", "web")
    assert not root.left()


def test_many_are_removed_by_one_look_at_each(root: Engine) -> None:
    """Whether another one shares its namespaces is asked of each; the records are read once."""
    skip_if_missing("strace")
    count = 30
    for _ in range(count):
        root.ok("create", "--network", "none", "busybox", "true")
    trace = root.home / "trace"
    root.ok("rm", "-a", wrap=["strace", "-f", "-o", str(trace), "-e", "trace=openat"])
    reads = sum("/container.json" in line for line in trace.read_text().splitlines())
    assert count <= reads < 8 * count
    assert not root.left()
