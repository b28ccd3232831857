"""What a container uses, as `events` tells it: runc's fields, from the files of cgroup v2."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.errors import NotFound, Unsupported
from crun_py.oci_runtime.state import Container


def report(container: Container) -> dict[str, object]:
    """Raises NotFound when it does not run, Unsupported when it has no cgroup."""
    known = container.read()
    if container.status(known) not in ("created", "running", "paused"):
        raise NotFound(f"container {container.id} is not running")
    if not known.cgroup:
        raise Unsupported(f"reading what container {container.id} uses: it has no cgroup v2")
    times = _pairs(known.cgroup, "cpu.stat")
    memory = _pairs(known.cgroup, "memory.stat")
    return {
        "cpu": {
            "usage": {"total": times.get("usage_usec", 0) * 1000,
                      "kernel": times.get("system_usec", 0) * 1000,
                      "user": times.get("user_usec", 0) * 1000},
            "throttling": {"periods": times.get("nr_periods", 0),
                           "throttledPeriods": times.get("nr_throttled", 0),
                           "throttledTime": times.get("throttled_usec", 0) * 1000},
        },
        "memory": {
            "usage": {"usage": number(known.cgroup, "memory.current"),
                      "limit": number(known.cgroup, "memory.max"),
                      "failcnt": _pairs(known.cgroup, "memory.events").get("max", 0)},
            "swap": {"usage": number(known.cgroup, "memory.swap.current"),
                     "limit": number(known.cgroup, "memory.swap.max")},
            "cache": memory.get("file", 0),
            "raw": memory,
        },
        "pids": {"current": number(known.cgroup, "pids.current"),
                 "limit": number(known.cgroup, "pids.max")},
    }  # fmt: skip


def _text(cgroup: str, name: str) -> str:
    try:
        return jsonfile.read_bytes(f"{cgroup}/{name}").decode()
    except OSError:
        return ""  # a controller that is not there


def number(cgroup: str, name: str) -> int:
    """0 for what is not known or not limited."""
    text = _text(cgroup, name).strip()
    return int(text) if text.isdecimal() else 0


def _pairs(cgroup: str, name: str) -> dict[str, int]:
    words = [line.split() for line in _text(cgroup, name).splitlines()]
    return {pair[0]: int(pair[1]) for pair in words if len(pair) == 2 and pair[1].isdecimal()}
