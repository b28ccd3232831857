"""The processes of a container, and what /proc tells of them (proc(5)): for `top` and `stats`."""

from __future__ import annotations

import os

from crun_py.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.state import Container, Status

_TICKS = os.sysconf("SC_CLK_TCK")


def running(container: Container, doing: str) -> Status:
    """The status of a container that runs or is paused.  Raises Conflict."""
    status = container.status()
    if not status.running:
        raise Conflict(
            f"{doing} container {container.name}: it is {status.state}, not running",
            hint=f"crunpy start {container.name}",
        )
    return status


def pids(container: Container, status: Status) -> list[int]:
    """The host's pids of all its processes, the first process first.

    From its cgroup, else by its pid namespace.
    """
    found: set[int] = set()
    if container.cgroup:
        for directory, _, files in os.walk(container.cgroup):
            if "cgroup.procs" in files:
                found |= set(map(int, text(directory + "/cgroup.procs").split()))
    else:
        wanted = _link(f"/proc/{status.pid}/ns/pid")
        found = {
            int(name)
            for name in os.listdir("/proc")
            if name.isdigit() and _link(f"/proc/{name}/ns/pid") == wanted
        }
    return sorted(found, key=lambda pid: (pid != status.pid, pid))


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def text(path: str) -> str:
    """A file of /proc or of a cgroup; "" when the process is gone or it is not ours to read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


class Process:
    """One process, read once.

    stat: the fields of /proc/PID/stat after the name, state first.  status: /proc/PID/status.
    """

    __slots__ = ("command", "pid", "stat", "status")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.stat = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        lines = text(f"/proc/{pid}/status").splitlines()
        self.status = {key: value.strip() for key, _, value in (s.partition(":") for s in lines)}
        words = text(f"/proc/{pid}/cmdline").rstrip("\0").replace("\0", " ")
        self.command = words or f"[{self.name}]"

    @property
    def name(self) -> str:
        return self.status.get("Name", "")

    def number(self, field: int) -> int:
        """Field `field` of proc_pid_stat(5), counted from 1 as there."""
        return int(self.stat[field - 3])

    @property
    def cpu_s(self) -> float:
        return (self.number(14) + self.number(15)) / _TICKS

    @property
    def age_s(self) -> float:
        uptime = float(text("/proc/uptime").split()[0])
        return max(0.0, uptime - self.number(22) / _TICKS)


def every(container: Container, status: Status) -> list[Process]:
    """All processes of the container that have not ended meanwhile."""
    found = [Process(pid) for pid in pids(container, status)]
    return [process for process in found if process.stat and process.status]
