"""What the options about memory, CPU, processes and disks mean: the spec's linux.resources.

Pure, but for --device-*, whose device is looked at.  config-linux.md, "Control groups".
"""

from __future__ import annotations

import os
import stat

from crun_py import quantity
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_MOST_CPUS = 8192


def resources(options: dict[str, Any]) -> dict[str, Any]:
    """linux.resources for the values of the options.  Raises InvalidArgument."""
    found = {
        "memory": _memory(options),
        "cpu": _cpu(options),
        "pids": _pids(options),
        "blockIO": _disks(options),
        "unified": _unified(options.get("cgroup_conf") or []),
    }
    return {name: values for name, values in found.items() if values}


def _memory(options: dict[str, Any]) -> dict[str, int]:
    memory: dict[str, int] = {}
    if options.get("memory"):
        memory["limit"] = quantity.size(options["memory"], "memory limit")
        if 0 < memory["limit"] < 6 << 20:
            raise InvalidArgument(f"memory limit {options['memory']}: the least is 6m")
    if options.get("memory_swap"):
        text = options["memory_swap"]
        memory["swap"] = -1 if text == "-1" else quantity.size(text, "memory and swap limit")
    if options.get("memory_reservation"):
        memory["reservation"] = quantity.size(options["memory_reservation"], "memory reservation")
    swappiness = options.get("memory_swappiness")
    if swappiness:
        quantity.whole(swappiness, "memory swappiness", -1, 100)
    return memory


def _cpu(options: dict[str, Any]) -> dict[str, Any]:
    cpu: dict[str, Any] = {}
    if options.get("cpus"):
        if options.get("cpu_quota") or options.get("cpu_period"):
            raise InvalidArgument("--cpus: conflicts with --cpu-quota and --cpu-period")
        cpu["quota"], cpu["period"] = cpus(options["cpus"]), 100000
    if options.get("cpu_period"):
        cpu["period"] = quantity.whole(options["cpu_period"], "cpu period", 1000, 1_000_000)
    if options.get("cpu_quota"):
        cpu["quota"] = quantity.whole(options["cpu_quota"], "cpu quota", -1)
        if 0 < cpu["quota"] < 1000:
            raise InvalidArgument(f"cpu quota {cpu['quota']}: the least is 1000 microseconds")
    if options.get("cpu_shares"):
        cpu["shares"] = quantity.whole(options["cpu_shares"], "cpu shares", 0, 262144)
    for option, key in (("cpuset_cpus", "cpus"), ("cpuset_mems", "mems")):
        if options.get(option):
            cpu[key] = list_of_numbers(options[option], option.replace("_", "-"))
    return cpu


def cpus(text: str) -> int:
    """--cpus in microseconds of each 100 ms."""
    plain = text.replace(".", "", 1)
    if not quantity.is_number(plain) or not 0.01 <= float(text) <= _MOST_CPUS:
        raise InvalidArgument(f"cpus {text[:40]!r}: not a number within 0.01 and {_MOST_CPUS}")
    return int(float(text) * 100000)


def list_of_numbers(text: str, what: str) -> str:
    """`0-2,5` as it is.  Raises InvalidArgument."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers = [first, last or first]
        good = all(map(quantity.is_number, numbers))
        if not good or not int(first) <= int(numbers[1]) < _MOST_CPUS:
            raise InvalidArgument(f"{what} {text!r}: not a list", hint="like 0-2,5")
    return text


def _pids(options: dict[str, Any]) -> dict[str, int]:
    if not options.get("pids_limit"):
        return {}
    return {"limit": quantity.whole(options["pids_limit"], "pids limit", -1)}


_THROTTLES = {
    "device_read_bps": "throttleReadBpsDevice",
    "device_write_bps": "throttleWriteBpsDevice",
    "device_read_iops": "throttleReadIOPSDevice",
    "device_write_iops": "throttleWriteIOPSDevice",
}


def _disks(options: dict[str, Any]) -> dict[str, Any]:
    disks: dict[str, Any] = {}
    if options.get("blkio_weight"):
        disks["weight"] = _weight(options["blkio_weight"])
    for text in options.get("blkio_weight_device") or []:
        device, value = _device(text, "blkio weight")
        disks.setdefault("weightDevice", []).append({**device, "weight": _weight(value)})
    for option, key in _THROTTLES.items():
        for text in options.get(option) or []:
            what = option.replace("_", "-")
            device, value = _device(text, what)
            rate = quantity.size(value, what) if "bps" in option else quantity.whole(value, what)
            disks.setdefault(key, []).append({**device, "rate": rate})
    return disks


def _weight(text: str) -> int:
    return quantity.whole(text, "blkio weight", 10, 1000)


def _device(text: str, what: str) -> tuple[dict[str, int], str]:
    """DEVICE:VALUE as the device's numbers and the value."""
    path, colon, value = text.rpartition(":")
    if not colon or not path or not value:
        raise InvalidArgument(f"{what} {text!r}: not DEVICE:VALUE")
    try:
        found = os.stat(path)
    except OSError as e:
        raise InvalidArgument.from_os(f"{what} {text!r}", e) from e
    if not stat.S_ISBLK(found.st_mode):
        raise InvalidArgument(f"{what} {text!r}: {path} is no block device")
    return {"major": os.major(found.st_rdev), "minor": os.minor(found.st_rdev)}, value


def _unified(options: list[str]) -> dict[str, str]:
    result = {}
    for option in options:
        key, sep, value = option.partition("=")
        good = "." in key and all(c.isalnum() or c in "._" for c in key) and ".." not in key
        if not sep or not good:
            raise InvalidArgument(f"cgroup-conf {option!r}: not FILE=VALUE", hint="memory.high=1G")
        result[key] = value
    return result
