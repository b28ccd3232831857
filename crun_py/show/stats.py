"""`stats`: what containers use, from their cgroups, or where those have no controllers from
/proc.  cgroup-v2.rst; proc_pid_io(5), proc_pid_net(5)."""

from __future__ import annotations

import time

from crun_py import clock, state
from crun_py.model.stats import Stats
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


def used(container: Container, before: Usage, after: Usage) -> Stats:
    """What a container used between two moments."""
    spent = max(1, after.at - before.at)
    return Stats(
        id=container.id,
        name=container.name,
        cpu_ns=after.cpu,
        cpu_percent=100 * max(0, after.cpu - before.cpu) / spent,
        memory_bytes=after.memory,
        memory_limit_bytes=after.limit,
        pids=after.pids,
        received_bytes=after.received,
        sent_bytes=after.sent,
        read_bytes=after.read,
        written_bytes=after.written,
        pressure=after.pressure,
    )


def row(one: Stats, age_ns: int, *, whole: bool) -> dict[str, object]:
    """Docker's fields of `stats`, and podman's beside them.  age_ns: how long it has been running;
    whole: the id is not cut."""
    memory = f"{binary_size(one.memory_bytes)} / {binary_size(one.memory_limit_bytes)}"
    return {
        **_names(one.id, one.name, whole),
        "CPUPerc": f"{one.cpu_percent:.2f}%",
        "MemUsage": memory,
        "MemPerc": f"{100 * one.memory_bytes / max(1, one.memory_limit_bytes):.2f}%",
        "NetIO": f"{human_size(one.received_bytes)} / {human_size(one.sent_bytes)}",
        "BlockIO": f"{human_size(one.read_bytes)} / {human_size(one.written_bytes)}",
        "PIDs": str(one.pids),
        "CPUPressure": f"{one.pressure['cpu']:.2f}%",
        "MemPressure": f"{one.pressure['memory']:.2f}%",
        "IOPressure": f"{one.pressure['io']:.2f}%",
        # podman's names
        "ContainerID": one.id,
        "CPU": one.cpu_percent,
        "AVGCPU": f"{100 * one.cpu_ns / max(1, age_ns):.2f}%",
        "UpTime": f"{one.cpu_ns / 10**9:.6f}s",
        "CPUNano": one.cpu_ns,
        "SystemNano": time.time_ns(),
        "CPUSystemNano": 0,
        "PerCPU": None,
        "Up": age_ns,
        "Duration": age_ns,
        "MemLimit": one.memory_limit_bytes,
        "MemUsageBytes": memory,
        "NetInput": one.received_bytes,
        "NetOutput": one.sent_bytes,
        "BlockInput": one.read_bytes,
        "BlockOutput": one.written_bytes,
    }


def age_ns(started: str) -> int:
    """How long what was started at an RFC 3339 time has been running; "" for never."""
    return time.time_ns() - clock.parse_rfc3339(started) if started else 0


def _names(container_id: str, name: str, whole: bool) -> dict[str, object]:
    shown = container_id if whole else container_id[:12]
    return {"ID": shown, "Container": shown, "Name": name}


def no_row(container_id: str, name: str, *, whole: bool) -> dict[str, object]:
    """The row of a container that does not run, as Docker fills it."""
    return {
        **_names(container_id, name, whole),
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
