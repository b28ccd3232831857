"""Limits as properties of a unit of systemd's, from the files of cgroup v2 that they are.

What systemd knows it writes again whenever it looks at its units (daemon-reload), and `systemctl
show` tells it; what it has no property for stays as we wrote it.
systemd.resource-control(5); org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    Property = tuple[str, tuple[str, object]]
    """A name, and a D-Bus variant: (signature, value)."""

_INFINITY = 0xFFFFFFFFFFFFFFFF
_NUMBERS = {
    "memory.max": "MemoryMax",
    "memory.swap.max": "MemorySwapMax",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.min": "MemoryMin",
    "cpu.weight": "CPUWeight",
    "pids.max": "TasksMax",
}
_SETS = {"cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes"}
_RATES = {
    "rbps": "IOReadBandwidthMax",
    "wbps": "IOWriteBandwidthMax",
    "riops": "IOReadIOPSMax",
    "wiops": "IOWriteIOPSMax",
}
_PERCENT_US = 10_000
"""systemd keeps a quota as whole percents of a processor, 10 ms in each second."""


def properties(files: dict[str, str]) -> list[Property]:
    """Those for `files`, the cgroup's files and what is to be written to them (group.values).

    A quota of processors is rounded up to whole percents: what is in cpu.max is exact.
    """
    found: list[Property] = []
    for name, text in files.items():
        if name in _NUMBERS:
            if (number := _number(text)) is not None:
                found.append((_NUMBERS[name], ("t", number)))
        elif name in _SETS:
            found.append((_SETS[name], ("ay", _bits(text))))
        elif name == "cpu.max":
            found += _quota(text)
        elif name == "io.weight":
            found += _weights(text)
        elif name == "io.max":
            found += _rates(text)
    return found


def _number(text: str) -> int | None:
    """None for what only the kernel understands ("64M")."""
    if text.strip() == "max":
        return _INFINITY
    return int(text) if text.strip().isdecimal() else None


def _quota(text: str) -> list[Property]:
    """cpu.max: `max` or microseconds, in each period of so many."""
    words = text.split()
    if not all(word == "max" or word.isdecimal() for word in words) or len(words) > 2:
        return []
    period = int(words[1]) if len(words) == 2 else 100_000
    each_second = _INFINITY
    if words[0] != "max":
        each_second = -(-int(words[0]) * 1_000_000 // period)
        each_second = -(-each_second // _PERCENT_US) * _PERCENT_US
    return [("CPUQuotaPerSecUSec", ("t", each_second)), ("CPUQuotaPeriodUSec", ("t", period))]


def _bits(text: str) -> bytes:
    """A list of numbers, `0-3,7`, as a set of bits, the lowest first."""
    bits = 0
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and (last or first).isdecimal() and int(last or first) < 1 << 16:
            for number in range(int(first), int(last or first) + 1):
                bits |= 1 << number
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _weights(text: str) -> list[Property]:
    """io.weight: `default N` and lines `MAJOR:MINOR N`."""
    found: list[Property] = []
    devices = []
    for line in text.split("\n"):
        where, _, weight = line.rpartition(" ")
        if not weight.isdecimal():
            continue
        if where in ("", "default"):
            found.append(("IOWeight", ("t", int(weight))))
        else:
            devices.append((_node(where), int(weight)))
    if devices:
        found.append(("IODeviceWeight", ("a(st)", devices)))
    return found


def _rates(text: str) -> list[Property]:
    """io.max: lines `MAJOR:MINOR rbps=N wiops=N …`."""
    found: dict[str, list[tuple[str, int]]] = {}
    for line in text.split("\n"):
        device, *settings = line.split()
        for setting in settings:
            word, _, value = setting.partition("=")
            number = _number(value)
            if word in _RATES and number is not None:
                found.setdefault(_RATES[word], []).append((_node(device), number))
    return [(name, ("a(st)", rates)) for name, rates in found.items()]


def _node(device: str) -> str:
    """The file of block device MAJOR:MINOR; systemd looks at it (sysfs(5), /sys/dev/block)."""
    try:
        return "/dev/" + os.path.basename(os.readlink(f"/sys/dev/block/{device}"))
    except OSError:
        return f"/dev/block/{device}"
