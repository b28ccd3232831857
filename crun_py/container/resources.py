"""What a container may use, as the spec's linux.resources (config-linux.md, "Control groups").

Pure, but that devices of limits are looked at.
"""

from __future__ import annotations

import os
import stat

from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.model.container import Limits

_LEAST_MEMORY = 6 << 20
_CPU_PERIOD_US = 100_000
_MOST_CPUS = 8192


def resources(limits: Limits) -> dict[str, Any]:
    """linux.resources for `limits`.  Raises InvalidArgument."""
    found: dict[str, dict[str, Any]] = {
        "memory": _memory(limits),
        "cpu": _cpu(limits),
        "pids": {} if not limits.pids else {"limit": limits.pids},
        "blockIO": _disks(limits),
        "unified": limits.unified,
    }
    return {name: values for name, values in found.items() if values}


def _memory(limits: Limits) -> dict[str, int]:
    if 0 < (limits.memory_bytes or 0) < _LEAST_MEMORY:
        raise InvalidArgument(f"memory limit {limits.memory_bytes} bytes: the least is 6m")
    found = {
        "limit": limits.memory_bytes,
        "swap": limits.memory_swap_bytes,
        "reservation": limits.memory_reservation_bytes,
    }
    return {name: value for name, value in found.items() if value is not None}


def _cpu(limits: Limits) -> dict[str, Any]:
    cpu: dict[str, Any] = {}
    if limits.cpus:
        if limits.cpu_quota_us or limits.cpu_period_us:
            raise InvalidArgument("--cpus: conflicts with --cpu-quota and --cpu-period")
        if not 0.01 <= limits.cpus <= _MOST_CPUS:
            raise InvalidArgument(f"cpus {limits.cpus}: not within 0.01 and {_MOST_CPUS}")
        cpu["quota"], cpu["period"] = int(limits.cpus * _CPU_PERIOD_US), _CPU_PERIOD_US
    if limits.cpu_period_us:
        cpu["period"] = _within("cpu period", limits.cpu_period_us, 1000, 1_000_000)
    if limits.cpu_quota_us:
        cpu["quota"] = limits.cpu_quota_us
        if 0 < cpu["quota"] < 1000:
            raise InvalidArgument(f"cpu quota {cpu['quota']}: the least is 1000 microseconds")
    if limits.cpu_shares:
        cpu["shares"] = _within("cpu shares", limits.cpu_shares, 0, 262144)
    for key, value in (("cpus", limits.cpuset_cpus), ("mems", limits.cpuset_mems)):
        if value:
            cpu[key] = value
    return cpu


def _within(what: str, number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise InvalidArgument(f"{what} {number}: not within {least} and {most}")
    return number


def _disks(limits: Limits) -> dict[str, Any]:
    disks: dict[str, Any] = {}
    if limits.block_weight:
        disks["weight"] = _within("blkio weight", limits.block_weight, 10, 1000)
    for path, weight in limits.block_weights.items():
        entry = {**_device(path), "weight": _within("blkio weight", weight, 10, 1000)}
        disks.setdefault("weightDevice", []).append(entry)
    throttles = {
        "throttleReadBpsDevice": limits.read_bytes,
        "throttleWriteBpsDevice": limits.write_bytes,
        "throttleReadIOPSDevice": limits.read_operations,
        "throttleWriteIOPSDevice": limits.write_operations,
    }
    for key, rates in throttles.items():
        for path, rate in rates.items():
            disks.setdefault(key, []).append({**_device(path), "rate": rate})
    return disks


def _device(path: str) -> dict[str, int]:
    """The numbers of a block device."""
    try:
        found = os.stat(path)
    except OSError as e:
        raise InvalidArgument.from_os(f"limiting device {path}", e) from e
    if not stat.S_ISBLK(found.st_mode):
        raise InvalidArgument(f"limiting device {path}: it is no block device")
    return {"major": os.major(found.st_rdev), "minor": os.minor(found.st_rdev)}
