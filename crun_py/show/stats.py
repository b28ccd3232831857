"""`stats`: what containers use, from their cgroups, or where those have no controllers from
/proc.  cgroup-v2.rst; proc_pid_io(5), proc_pid_net(5)."""

from __future__ import annotations

import time

from crun_py import clock, state
from crun_py.show import processes
from crun_py.show.listing import human_size
from crun_py.show.processes import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.state import Container, Status


class Usage:
    """What a container has used at one moment.  Times are in ns, the rest in bytes."""

    __slots__ = ("at", "cpu", "limit", "memory", "pids", "pressure", "read", "received", "sent",
                 "written")  # fmt: skip

    def __init__(self, container: Container, status: Status) -> None:
        self.at = time.monotonic_ns()
        found = processes.every(container, status)
        group = container.cgroup or ""
        flat = _flat(group + "/cpu.stat")
        seconds = sum(p.cpu_s for p in found)
        self.cpu = flat["usage_usec"] * 1000 if "usage_usec" in flat else int(seconds * 10**9)
        current = processes.text(group + "/memory.current").strip()
        if current:
            # page cache that can be dropped at any time is not counted, as Docker
            self.memory = int(current) - _flat(group + "/memory.stat").get("inactive_file", 0)
        else:
            self.memory = sum(int(p.status.get("VmRSS", "0 kB").split()[0]) for p in found) << 10
        limit = processes.text(group + "/memory.max").strip()
        host = int(processes.text("/proc/meminfo").split(None, 2)[1]) << 10
        self.limit = min(int(limit), host) if limit.isdigit() else host
        count = processes.text(group + "/pids.current").strip()
        self.pids = int(count) if count else sum(int(p.status["Threads"]) for p in found)
        self.received, self.sent = _network(status.pid)
        self.read, self.written = _disk(group, found)
        self.pressure = {name: _pressure(f"{group}/{name}.pressure") for name in PRESSED}


PRESSED = ("cpu", "memory", "io")


def _pressure(path: str) -> float:
    """How much of the last 10 s, in per cent, some process waited for it; 0 where the kernel does
    not tell (Documentation/accounting/psi.rst)."""
    for word in processes.text(path).partition("\n")[0].split():
        if word.startswith("avg10="):
            return float(word[6:])
    return 0.0


def _flat(path: str) -> dict[str, int]:
    """A flat-keyed file of a cgroup."""
    lines = processes.text(path).splitlines()
    pairs = (line.partition(" ") for line in lines)
    return {key: int(value) for key, _, value in pairs if value.isdigit()}


def _network(pid: int) -> tuple[int, int]:
    received = sent = 0
    for line in processes.text(f"/proc/{pid}/net/dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        fields = rest.split()
        if name.strip() != "lo":
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent


def _disk(group: str, found: list[Process]) -> tuple[int, int]:
    text = processes.text(group + "/io.stat")
    if text:
        pairs = [word.partition("=") for word in text.split()]
        return _sum(pairs, "rbytes"), _sum(pairs, "wbytes")
    read = written = 0
    for process in found:
        for line in processes.text(f"/proc/{process.pid}/io").splitlines():
            key, _, value = line.partition(": ")
            read += int(value) if key == "read_bytes" else 0
            written += int(value) if key == "write_bytes" else 0
    return read, written


def _sum(pairs: list[tuple[str, str, str]], wanted: str) -> int:
    return sum(int(value) for key, _, value in pairs if key == wanted)


def row(container: Container, before: Usage, after: Usage, *, whole: bool) -> dict[str, object]:
    """Docker's fields of `stats`, and podman's beside them.  whole: the id is not cut."""
    spent = max(1, after.at - before.at)
    cpu = 100 * max(0, after.cpu - before.cpu) / spent
    memory = 100 * after.memory / after.limit
    return {
        **_names(container, whole),
        "CPUPerc": f"{cpu:.2f}%",
        "MemUsage": f"{binary_size(after.memory)} / {binary_size(after.limit)}",
        "MemPerc": f"{memory:.2f}%",
        "NetIO": f"{human_size(after.received)} / {human_size(after.sent)}",
        "BlockIO": f"{human_size(after.read)} / {human_size(after.written)}",
        "PIDs": str(after.pids),
        "CPUPressure": f"{after.pressure['cpu']:.2f}%",
        "MemPressure": f"{after.pressure['memory']:.2f}%",
        "IOPressure": f"{after.pressure['io']:.2f}%",
        # podman's names
        "ContainerID": container.id,
        "CPU": cpu,
        "AVGCPU": f"{100 * after.cpu / max(1, _age_ns(container)):.2f}%",
        "UpTime": f"{after.cpu / 10**9:.6f}s",
        "CPUNano": after.cpu,
        "SystemNano": time.time_ns(),
        "CPUSystemNano": 0,
        "PerCPU": None,
        "Up": _age_ns(container),
        "Duration": _age_ns(container),
        "MemLimit": after.limit,
        "MemUsageBytes": f"{binary_size(after.memory)} / {binary_size(after.limit)}",
        "NetInput": after.received,
        "NetOutput": after.sent,
        "BlockInput": after.read,
        "BlockOutput": after.written,
    }


def _age_ns(container: Container) -> int:
    """How long it has been running."""
    started = container.status().started_at
    return time.time_ns() - clock.parse_rfc3339(started) if started else 0


def _names(container: Container, whole: bool) -> dict[str, object]:
    shown = container.id if whole else container.id[:12]
    return {"ID": shown, "Container": shown, "Name": container.name}


def no_row(container: Container, *, whole: bool) -> dict[str, object]:
    """The row of a container that does not run, as Docker fills it."""
    return {
        **_names(container, whole),
        "CPUPerc": "--",
        "MemUsage": "-- / --",
        "MemPerc": "--",
        "NetIO": "--",
        "BlockIO": "--",
        "PIDs": "--",
    }


def binary_size(size_bytes: int) -> str:
    """Bytes in binary units with four digits at most: 1.5MiB."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g}{unit}"
        size /= 1024
    return f"{size:.4g}TiB"


def sample(containers: list[Container]) -> dict[str, Usage]:
    """The usage of each container that runs, by id."""
    found = {}
    for container in containers:
        status = container.status()
        if status.running and state.start_ticks(status.pid):
            found[container.id] = Usage(container, status)
    return found
