"""Limits as systemd's properties."""

from __future__ import annotations

import pytest

from crun_py.cgroup.properties import properties

INFINITY = 2**64 - 1


@pytest.mark.parametrize(
    "name,text,expected",
    [
        ("memory.max", "67108864", [("MemoryMax", ("t", 67108864))]),
        ("memory.swap.max", "max", [("MemorySwapMax", ("t", INFINITY))]),
        ("memory.low", "0", [("MemoryLow", ("t", 0))]),
        ("memory.high", "64M", []),
        ("memory.oom.group", "1", []),
        ("pids.max", "50", [("TasksMax", ("t", 50))]),
        ("cpu.weight", "20", [("CPUWeight", ("t", 20))]),
        ("cpuset.cpus", "0-2,8", [("AllowedCPUs", ("ay", b"\x07\x01"))]),
        ("cpuset.cpus", "0-99999999", [("AllowedCPUs", ("ay", b""))]),
        ("cpuset.mems", "1", [("AllowedMemoryNodes", ("ay", b"\x02"))]),
        ("io.weight", "default 100\n8:0 x", [("IOWeight", ("t", 100))]),
        ("io.weight", "8:999 20", [("IODeviceWeight", ("a(st)", [("/dev/block/8:999", 20)]))]),
        ("io.max", "8:999 rbps=5 wiops=max\n8:998 rbps=6 nonsense", [
            ("IOReadBandwidthMax", ("a(st)", [("/dev/block/8:999", 5), ("/dev/block/8:998", 6)])),
            ("IOWriteIOPSMax", ("a(st)", [("/dev/block/8:999", INFINITY)])),
        ]),
    ],
)  # fmt: skip
def test_a_file_and_its_property(
    name: str, text: str, expected: list[tuple[str, tuple[str, object]]]
) -> None:
    assert properties({name: text}) == expected


@pytest.mark.parametrize(
    "text,each_second,period",
    [
        ("50000 100000", 500_000, 100_000),
        ("25500 100000", 260_000, 100_000),  # whole percents
        ("1 1000000", 10_000, 1_000_000),
        ("max 100000", INFINITY, 100_000),
        ("150000", 1_500_000, 100_000),
    ],
)
def test_a_quota_is_whole_percents(text: str, each_second: int, period: int) -> None:
    expected = [("CPUQuotaPerSecUSec", ("t", each_second)), ("CPUQuotaPeriodUSec", ("t", period))]
    assert properties({"cpu.max": text}) == expected


def test_a_quota_that_only_the_kernel_can_refuse() -> None:
    assert properties({"cpu.max": "many"}) == properties({"cpu.max": "1 2 3"}) == []
