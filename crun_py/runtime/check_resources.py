"""What linux.resources of a config.json, and of a file with changes, must be (config-linux.md,
"Control groups"), before a cgroup is made: their values.  runtime.form has the types."""

from __future__ import annotations

from crun_py.errors import InvalidArgument, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.documents.spec import LinuxBlockIO, LinuxCpu, LinuxMemory, LinuxResources

_NOT_THERE = "cgroup v2 has no such thing"
_U64 = (1 << 64) - 1


def check(resources: LinuxResources, where: str = "config.json: linux.resources") -> None:
    """resources: of the form that runtime.form says.  where: what they are called.

    Raises InvalidArgument for what no kernel takes, Unsupported for what cgroup v2 does not have.
    """
    if resources.get("network"):
        raise Unsupported(f"{where}.network is not done here: cgroup v2 has no classes")
    _memory(resources.get("memory", {}), f"{where}.memory")
    _cpu(resources.get("cpu", {}), f"{where}.cpu")
    if (pids := resources.get("pids", {}).get("limit")) is not None:
        _within(((pids, f"{where}.pids.limit"),), -1, _U64)
    _disks(resources.get("blockIO", {}), f"{where}.blockIO")
    for number, limit in enumerate(resources.get("hugepageLimits", ())):
        entry = f"{where}.hugepageLimits[{number}]"
        size = limit["pageSize"]
        if not size.isascii() or not size.isalnum():
            raise InvalidArgument(f"{entry}.pageSize: {size[:40]!r} is no size, as 2MB is")
        _within(((limit["limit"], f"{entry}.limit"),), 0, _U64)
    for device, most in resources.get("rdma", {}).items():
        entry = f"{where}.rdma.{device}"
        if not device.replace("_", "").replace("-", "").isalnum():
            raise InvalidArgument(f"{entry}: not a device's name")
        _within(((most.get("hcaHandles", 0), f"{entry}.hcaHandles"),
                 (most.get("hcaObjects", 0), f"{entry}.hcaObjects")), 0, (1 << 32) - 1)  # fmt: skip
    for number, rule in enumerate(resources.get("devices", ())):
        entry = f"{where}.devices[{number}]"
        if rule.get("type") not in (None, "", "a", "b", "c"):
            raise InvalidArgument(f"{entry}.type: {rule['type'][:40]!r} is not known")
        if {*rule.get("access", "")} - {*"rwm"}:
            raise InvalidArgument(f"{entry}.access: {rule['access'][:40]!r} is not of r, w and m")
        _within(((rule.get("major", 0), f"{entry}.major"),
                 (rule.get("minor", 0), f"{entry}.minor")), -1, (1 << 32) - 1)  # fmt: skip
    for name in resources.get("unified", {}):
        if "/" in name or name.find(".") < 1:
            raise InvalidArgument(f"{where}.unified: {name[:60]!r} is not CONTROLLER.PARAMETER")


def _within(values: Iterable[tuple[int, str]], least: int, most: int) -> None:
    for value, where in values:
        if not least <= value <= most:
            raise InvalidArgument(f"{where}: {value} is not {least} to {most}")


def _memory(memory: LinuxMemory, where: str) -> None:
    limit, swap = memory.get("limit", 0), memory.get("swap", 0)
    _within(((limit, f"{where}.limit"), (swap, f"{where}.swap"),
             (memory.get("reservation", 0), f"{where}.reservation")), -1, _U64)  # fmt: skip
    if swap > 0 >= limit:
        raise InvalidArgument(f"{where}.swap: a limit of memory and swap needs one of memory")
    if 0 < swap < limit:
        raise InvalidArgument(f"{where}.swap: {swap} is below the limit, which it has in it")
    _within(((memory.get("swappiness", 0), f"{where}.swappiness"),), 0, 100)


def _cpu(cpu: LinuxCpu, where: str) -> None:
    if cpu.get("realtimeRuntime") or cpu.get("realtimePeriod"):
        raise Unsupported(f"{where}.realtimeRuntime, realtimePeriod: {_NOT_THERE}")
    _within(((cpu.get("shares", 0), f"{where}.shares"), (cpu.get("period", 0), f"{where}.period"),
             (cpu.get("burst", 0), f"{where}.burst")), 0, _U64)  # fmt: skip
    _within(((cpu.get("quota", 0), f"{where}.quota"),), -_U64, _U64)
    _within(((cpu.get("idle", 0), f"{where}.idle"),), 0, 1)


def _disks(disks: LinuxBlockIO, where: str) -> None:
    devices = disks.get("weightDevice", ())
    if disks.get("leafWeight") or any(device.get("leafWeight") for device in devices):
        raise Unsupported(f"{where}.leafWeight: {_NOT_THERE}")
    for weight in (disks.get("weight"), *(device.get("weight") for device in devices)):
        if weight:
            _within(((weight, f"{where}.weight"),), 10, 1000)
