"""What the options about memory, CPU, processes and disks mean: the spec's linux.resources.

Pure, but for --device-*, whose device is looked at.  config-linux.md, "Control groups".
"""

from __future__ import annotations

import os
import stat

from crun_py.errors import InvalidArgument
from crun_py.options.request import parse_bytes, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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
        memory["limit"] = parse_bytes(options["memory"], "memory limit")
        if 0 < memory["limit"] < 6 << 20:
            raise InvalidArgument(f"memory limit {options['memory']}: the least is 6m")
    if options.get("memory_swap"):
        text = options["memory_swap"]
        memory["swap"] = -1 if text == "-1" else parse_bytes(text, "memory and swap limit")
    if options.get("memory_reservation"):
        memory["reservation"] = parse_bytes(options["memory_reservation"], "memory reservation")
    swappiness = options.get("memory_swappiness")
    if swappiness and not -1 <= whole_number(swappiness, "memory swappiness") <= 100:
        raise InvalidArgument(f"memory swappiness {swappiness}: not within 0 and 100")
    return memory


def _cpu(options: dict[str, Any]) -> dict[str, Any]:
    cpu: dict[str, Any] = {}
    if options.get("cpus"):
        if options.get("cpu_quota") or options.get("cpu_period"):
            raise InvalidArgument("--cpus: conflicts with --cpu-quota and --cpu-period")
        try:
            cpu["quota"], cpu["period"] = int(float(options["cpus"]) * 100000), 100000
        except (ValueError, OverflowError):
            raise InvalidArgument(f"cpus {options['cpus']!r}: not a number") from None
        if cpu["quota"] < 1000:
            raise InvalidArgument(f"cpus {options['cpus']!r}: the least is 0.01")
    if options.get("cpu_period"):
        cpu["period"] = whole_number(options["cpu_period"], "cpu period")
        if not 1000 <= cpu["period"] <= 1_000_000:
            raise InvalidArgument(
                f"cpu period {cpu['period']}: not within 1000 and 1000000 microseconds"
            )
    if options.get("cpu_quota"):
        cpu["quota"] = whole_number(options["cpu_quota"], "cpu quota")
        if 0 < cpu["quota"] < 1000:
            raise InvalidArgument(f"cpu quota {cpu['quota']}: the least is 1000 microseconds")
    if options.get("cpu_shares"):
        cpu["shares"] = whole_number(options["cpu_shares"], "cpu shares")
    for option, key in (("cpuset_cpus", "cpus"), ("cpuset_mems", "mems")):
        if options.get(option):
            cpu[key] = _list_of_numbers(options[option], option.replace("_", "-"))
    return cpu


def _list_of_numbers(text: str, what: str) -> str:
    """`0-2,5` as it is.  Raises InvalidArgument."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or not (last or first).isdigit() or int(last or first) < int(first):
            raise InvalidArgument(f"{what} {text!r}: not a list", hint="like 0-2,5")
    return text


def _pids(options: dict[str, Any]) -> dict[str, int]:
    if not options.get("pids_limit"):
        return {}
    return {"limit": whole_number(options["pids_limit"], "pids limit")}


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
            rate = parse_bytes(value, what) if "bps" in option else whole_number(value, what)
            disks.setdefault(key, []).append({**device, "rate": rate})
    return disks


def _weight(text: str) -> int:
    weight = whole_number(text, "blkio weight")
    if not 10 <= weight <= 1000:
        raise InvalidArgument(f"blkio weight {weight}: not within 10 and 1000")
    return weight


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
