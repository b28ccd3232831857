"""crunpy oci update."""

from __future__ import annotations

import sys

from crun_py import jsonfile, quantity
from crun_py.errors import InvalidArgument
from crun_py.oci_runtime import life
from crun_py.oci_runtime.state import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

if TYPE_CHECKING:
    from crun_py.documents.spec import LinuxCpu, LinuxMemory, LinuxResources

ARGUMENTS = "ID"
OPTIONS = (
    ("-r --resources", "value", "File with linux.resources, - for standard input", "FILE"),
    ("--blkio-weight", "value", "10 to 1000", "N"),
    ("--cpu-period", "value", "Microseconds", "N"),
    ("--cpu-quota", "value", "Microseconds in each period", "N"),
    ("--cpu-share", "value", "2 to 262144", "N"),
    ("--cpuset-cpus", "value", "Processors", "LIST"),
    ("--cpuset-mems", "value", "Memory nodes", "LIST"),
    ("--memory", "value", "Bytes", "SIZE"),
    ("--memory-reservation", "value", "Bytes", "SIZE"),
    ("--memory-swap", "value", "Bytes of memory and swap, -1 for any", "SIZE"),
    ("--pids-limit", "value", "Processes, -1 for any", "N"),
)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Change the limits that are given."""
    life.update(Container(runtime.root, arguments[0]), _resources(values))
    return 0


def _resources(values: Values) -> LinuxResources:
    if path := values.text("resources"):
        return _read(path)
    made: LinuxResources = {}
    cpu: LinuxCpu = {}
    if text := values.text("cpu_period"):
        cpu["period"] = _number(text, "cpu-period")
    if text := values.text("cpu_quota"):
        cpu["quota"] = _number(text, "cpu-quota")
    if text := values.text("cpu_share"):
        cpu["shares"] = _number(text, "cpu-share")
    if text := values.text("cpuset_cpus"):
        cpu["cpus"] = text
    if text := values.text("cpuset_mems"):
        cpu["mems"] = text
    memory: LinuxMemory = {}
    if text := values.text("memory"):
        memory["limit"] = _bytes(text, "memory")
    if text := values.text("memory_reservation"):
        memory["reservation"] = _bytes(text, "memory-reservation")
    if text := values.text("memory_swap"):
        memory["swap"] = _bytes(text, "memory-swap")
    if cpu:
        made["cpu"] = cpu
    if memory:
        made["memory"] = memory
    if text := values.text("pids_limit"):
        made["pids"] = {"limit": _number(text, "pids-limit")}
    if text := values.text("blkio_weight"):
        made["blockIO"] = {"weight": _number(text, "blkio-weight")}
    if not made:
        raise InvalidArgument("update: no limit is given")
    return made


def _read(path: str) -> LinuxResources:
    try:
        data = sys.stdin.buffer.read() if path == "-" else jsonfile.read_bytes(path)
        found: LinuxResources = jsonfile.loads(data)
    except ValueError as e:
        raise InvalidArgument(f"reading {path}: {e}") from e
    except OSError as e:
        raise InvalidArgument.from_os(f"reading {path}", e) from e
    if not isinstance(found, dict):
        raise InvalidArgument(f"reading {path}: not an object")
    return found


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(f"{name} {text!r}: not a number") from None


def _bytes(text: str, name: str) -> int:
    return -1 if text == "-1" else quantity.size(text, name)
