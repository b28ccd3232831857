"""crunpy oci update."""

from __future__ import annotations

import sys

from crun_py import quantity
from crun_py.errors import InvalidArgument
from crun_py.oci_runtime import changes, config
from crun_py.oci_runtime.state import Container
from crun_py.runtime.form import RESOURCES
from crun_py.shapes import misfit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.documents.spec import IntelRdt, LinuxCpu, LinuxMemory, LinuxResources
    from crun_py.values import Values

ARGUMENTS = "ID"
OPTIONS = (
    ("-r --resources", "value", "File with linux.resources, - for standard input", "FILE"),
    ("--blkio-weight", "value", "10 to 1000", "N"),
    ("--cpu-period", "value", "Microseconds", "N"),
    ("--cpu-quota", "value", "Microseconds in each period", "N"),
    ("--cpu-share", "value", "2 to 262144", "N"),
    ("--cpu-burst", "value", "Microseconds more at once, saved up from other periods", "N"),
    ("--cpu-idle", "value", "1 to run only where nothing else wants to", "N"),
    ("--cpu-rt-period", "value", "Refused: cgroup v2 has none", "N"),
    ("--cpu-rt-runtime", "value", "Refused: cgroup v2 has none", "N"),
    ("--cpuset-cpus", "value", "Processors", "LIST"),
    ("--cpuset-mems", "value", "Memory nodes", "LIST"),
    ("--memory", "value", "Bytes", "SIZE"),
    ("--memory-reservation", "value", "Bytes", "SIZE"),
    ("--memory-swap", "value", "Bytes of memory and swap, -1 for any", "SIZE"),
    ("--pids-limit", "value", "Processes, -1 for any", "N"),
    ("--l3-cache-schema", "value", "Shares of the last-level cache (Intel's RDT)", "LINES"),
    ("--mem-bw-schema", "value", "Shares of the memory's bandwidth (Intel's RDT)", "LINE"),
)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Change the limits that are given."""
    rdt = _rdt(values)
    wanted = _resources(values, others=bool(rdt))
    changes.update(Container(runtime.root, arguments[0]), wanted, rdt)
    return 0


def _rdt(values: Values) -> IntelRdt:
    made: IntelRdt = {}
    if text := values.text("l3_cache_schema"):
        made["l3CacheSchema"] = text
    if text := values.text("mem_bw_schema"):
        made["memBwSchema"] = text
    return made


def _resources(values: Values, *, others: bool) -> LinuxResources:
    """others: something else is changed, too."""
    if path := values.text("resources"):
        return _read(path)
    made: LinuxResources = {}
    if cpu := _cpu(values):
        made["cpu"] = cpu
    memory: LinuxMemory = {}
    if text := values.text("memory"):
        memory["limit"] = _bytes(text, "memory")
    if text := values.text("memory_reservation"):
        memory["reservation"] = _bytes(text, "memory-reservation")
    if text := values.text("memory_swap"):
        memory["swap"] = _bytes(text, "memory-swap")
    if memory:
        made["memory"] = memory
    if text := values.text("pids_limit"):
        made["pids"] = {"limit": _number(text, "pids-limit")}
    if text := values.text("blkio_weight"):
        made["blockIO"] = {"weight": _number(text, "blkio-weight")}
    if not made and not others:
        raise InvalidArgument("update: no limit is given")
    return made


def _cpu(values: Values) -> LinuxCpu:
    cpu: LinuxCpu = {}
    if text := values.text("cpu_period"):
        cpu["period"] = _number(text, "cpu-period")
    if text := values.text("cpu_quota"):
        cpu["quota"] = _number(text, "cpu-quota")
    if text := values.text("cpu_share"):
        cpu["shares"] = _number(text, "cpu-share")
    if text := values.text("cpu_burst"):
        cpu["burst"] = _number(text, "cpu-burst")
    if text := values.text("cpu_idle"):
        cpu["idle"] = _number(text, "cpu-idle")
    if text := values.text("cpu_rt_period"):
        cpu["realtimePeriod"] = _number(text, "cpu-rt-period")
    if text := values.text("cpu_rt_runtime"):
        cpu["realtimeRuntime"] = _number(text, "cpu-rt-runtime")
    if text := values.text("cpuset_cpus"):
        cpu["cpus"] = text
    if text := values.text("cpuset_mems"):
        cpu["mems"] = text
    return cpu


def _read(path: str) -> LinuxResources:
    stdin = path == "-"
    found = config.parsed(sys.stdin.buffer.read(), path) if stdin else config.document(path)
    if wrong := misfit(found, RESOURCES):
        raise InvalidArgument(f"reading {path}: {wrong.removeprefix(': ')}")
    return found  # type: ignore[return-value]  # as its form says


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f"{name} {text!r}: not a number") from None


def _bytes(text: str, name: str) -> int:
    return -1 if text == "-1" else quantity.size(text, name)
