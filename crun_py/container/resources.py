"""What a container may use, as the spec's linux.resources (config-linux.md, "Control groups").

Pure, but that devices of limits are looked at.
"""

from __future__ import annotations

import os
import stat

from crun_py.cgroup import group
from crun_py.errors import InvalidArgument
from crun_py.record import without_empty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import Record
    from crun_py.documents.spec import (
        LinuxBlockIO,
        LinuxCpu,
        LinuxMemory,
        LinuxResources,
        LinuxThrottleDevice,
        LinuxWeightDevice,
        Spec,
    )
    from crun_py.model.container import Limits

_LEAST_MEMORY = 6 << 20
_CPU_PERIOD_US = 100_000
_MOST_CPUS = 8192
_SWAP = "memory.swap.max"
DEFAULT_PIDS = 2048
"""So many processes a container may have that says nothing of it."""


def resources(limits: Limits) -> LinuxResources:
    """linux.resources for `limits`.  Raises InvalidArgument."""
    found: LinuxResources = {
        "memory": _memory(limits),
        "cpu": _cpu(limits),
        "blockIO": _disks(limits),
        "unified": limits.unified,
    }
    if limits.pids:
        found["pids"] = {"limit": limits.pids}
    return without_empty(found)


def files(record: Record, document: Spec) -> tuple[dict[str, str], dict[str, str]]:
    """What is written into the container's cgroup, by its files' names: what was asked for, which
    must hold, and what holds where the host can keep it."""
    said = record["host"].get("limits", {}).get("memory_swap_bytes")
    asked, usual = parted(document["linux"].get("resources", {}), swap=said)
    usual["pids.max"] = str(DEFAULT_PIDS)
    if record["host"].get("pids_optional"):  # a file's default, not a wish
        usual |= {name: asked.pop(name) for name in ("pids.max",) if name in asked}
    return asked, usual


def parted(
    resources: LinuxResources, *, swap: object = None
) -> tuple[dict[str, str], dict[str, str]]:
    """The files of linux.resources, as of `files`.  swap: memory_swap_bytes of the Limits, None
    or docker's 0 where nobody asked for it."""
    asked = group.values(resources)
    usual = {}
    if not swap and _SWAP in asked:
        usual[_SWAP] = asked.pop(_SWAP)
    return asked, usual


def swap_bytes(limits: Limits) -> int | None:
    """The limit of memory and swap together: docker's and podman's, where none is asked for, is
    twice that of memory.  None for no limit of either."""
    memory = limits.memory_bytes or 0
    if not limits.memory_swap_bytes and memory > 0:
        return 2 * memory
    return limits.memory_swap_bytes


def _memory(limits: Limits) -> LinuxMemory:
    most, swap = limits.memory_bytes or 0, limits.memory_swap_bytes or 0
    if 0 < most < _LEAST_MEMORY:
        raise InvalidArgument(f"memory limit {most} bytes: the least is 6m")
    if swap > 0 >= most:
        raise InvalidArgument("memory and swap limit: it takes a memory limit, too", hint="-m")
    if 0 < swap < most:
        raise InvalidArgument(
            f"memory and swap limit {swap} bytes: it is below the memory limit, {most}",
            hint="--memory-swap is both together",
        )
    if 0 < most < (limits.memory_reservation_bytes or 0):
        raise InvalidArgument(
            f"memory reservation {limits.memory_reservation_bytes} bytes: it is above the memory "
            f"limit, {most}"
        )
    memory: LinuxMemory = {}
    if limits.memory_bytes is not None:
        memory["limit"] = limits.memory_bytes
    if (both := swap_bytes(limits)) is not None:
        memory["swap"] = both
    if limits.memory_reservation_bytes is not None:
        memory["reservation"] = limits.memory_reservation_bytes
    return memory


def _cpu(limits: Limits) -> LinuxCpu:
    cpu: LinuxCpu = {}
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
    if limits.cpuset_cpus:
        cpu["cpus"] = limits.cpuset_cpus
    if limits.cpuset_mems:
        cpu["mems"] = limits.cpuset_mems
    return cpu


def _within(what: str, number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise InvalidArgument(f"{what} {number}: not within {least} and {most}")
    return number


def _disks(limits: Limits) -> LinuxBlockIO:
    disks: LinuxBlockIO = {
        "weightDevice": [_weight(path, weight) for path, weight in limits.block_weights.items()],
        "throttleReadBpsDevice": _rates(limits.read_bytes),
        "throttleWriteBpsDevice": _rates(limits.write_bytes),
        "throttleReadIOPSDevice": _rates(limits.read_operations),
        "throttleWriteIOPSDevice": _rates(limits.write_operations),
    }
    if limits.block_weight:
        disks["weight"] = _within("blkio weight", limits.block_weight, 10, 1000)
    return without_empty(disks)


def _weight(path: str, weight: int) -> LinuxWeightDevice:
    major, minor = _device(path)
    return {"major": major, "minor": minor, "weight": _within("blkio weight", weight, 10, 1000)}


def _rates(rates: dict[str, int]) -> list[LinuxThrottleDevice]:
    numbers = [(_device(path), rate) for path, rate in rates.items()]
    return [{"major": major, "minor": minor, "rate": rate} for (major, minor), rate in numbers]


def _device(path: str) -> tuple[int, int]:
    """The numbers of a block device."""
    try:
        found = os.stat(path)
    except OSError as e:
        raise InvalidArgument.from_os(f"limiting device {path}", e) from e
    if not stat.S_ISBLK(found.st_mode):
        raise InvalidArgument(f"limiting device {path}: it is no block device")
    return os.major(found.st_rdev), os.minor(found.st_rdev)
