"""Records of containers that older versions wrote.

Version 1 kept what the container gets of the host as the texts of the options; version 2 has
numbers and lists.
"""

from __future__ import annotations

from crun_py import quantity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIZES = {"memory": "memory_bytes", "memory_swap": "memory_swap_bytes",
          "memory_reservation": "memory_reservation_bytes"}  # fmt: skip
_NUMBERS = {"cpu_shares": "cpu_shares", "cpu_period": "cpu_period_us",
            "cpu_quota": "cpu_quota_us", "pids_limit": "pids",
            "blkio_weight": "block_weight"}  # fmt: skip
_DEVICES = {"blkio_weight_device": "block_weights", "device_read_bps": "read_bytes",
            "device_write_bps": "write_bytes", "device_read_iops": "read_operations",
            "device_write_iops": "write_operations"}  # fmt: skip
_INEFFECTIVE = ("memory_swappiness", "kernel_memory", "oom_kill_disable", "device_cgroup_rule")


def upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """A record of version 1 as one of version 2."""
    host = dict(record["host"])
    host["limits"] = _limits(host)
    host["ineffective"] = {
        name: ",".join(value) if isinstance(value, list) else str(value).lower()
        for name in _INEFFECTIVE
        if (value := host.pop(name, None))
    }
    host["tmpfs"] = dict(text.partition(":")[::2] for text in host.get("tmpfs") or [])
    host["sysctl"] = dict(text.partition("=")[::2] for text in host.get("sysctl") or [])
    host["device"] = [_device(text) for text in host.get("device") or []]
    host["ulimit"] = [_ulimit(text) for text in host.get("ulimit") or [] if text != "host"]
    if host.get("shm_size"):
        host["shm_size"] = quantity.size(host["shm_size"], "shm size")
    host["umask"] = int(host.get("umask") or "0022", 8)
    host["oom_score_adj"] = int(host.get("oom_score_adj") or 0)
    kept = {name: value for name, value in host.items() if value}
    return {**record, "version": 2, "host": kept}


def _limits(host: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, key in _SIZES.items():
        if text := host.pop(name, None):
            found[key] = -1 if text == "-1" else quantity.size(text, name)
    for name, key in _NUMBERS.items():
        if text := host.pop(name, None):
            found[key] = int(text)
    for name, key in _DEVICES.items():
        for text in host.pop(name, None) or ():
            path, _, value = text.rpartition(":")
            found.setdefault(key, {})[path] = quantity.size(value, name)
    if text := host.pop("cpus", None):
        found["cpus"] = float(text)
    for name in ("cpuset_cpus", "cpuset_mems"):
        if text := host.pop(name, None):
            found[name] = text
    if texts := host.pop("cgroup_conf", None):
        found["unified"] = dict(text.partition("=")[::2] for text in texts)
    return found


def _device(text: str) -> dict[str, str]:
    source, _, rest = text.partition(":")
    target, _, access = rest.partition(":")
    return {"source": source, "target": target or source, "access": access}


def _ulimit(text: str) -> dict[str, Any]:
    name, _, values = text.partition("=")
    soft, _, hard = values.partition(":")
    numbers = [-1 if n in ("-1", "unlimited") else int(n) for n in (soft, hard or soft)]
    return {"name": name, "soft": numbers[0], "hard": numbers[1]}
