"""What containers use."""

from __future__ import annotations

from crun_py.record import record


@record
class Stats:
    """What a container uses, as Docker counts it.

    cpu_ns: since its cgroup was made; cpu_percent: of one processor, while it was looked at.
    memory_bytes: without page cache that can be dropped; memory_limit_bytes: at most the host's.
    pids: processes and threads.  received_bytes, sent_bytes: by its network interfaces;
    read_bytes, written_bytes: by its disks.  pressure: "cpu", "memory" and "io", how much of the
    last 10 s, in per cent, some process waited for it; 0 where the host does not tell.
    """

    id: str
    name: str
    cpu_ns: int
    cpu_percent: float
    memory_bytes: int
    memory_limit_bytes: int
    pids: int
    received_bytes: int
    sent_bytes: int
    read_bytes: int
    written_bytes: int
    pressure: dict[str, float]
