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
    from crun_py.documents.spec import LinuxResources

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
    cpu = {
        name: _number(text, name) for name, text in (
            ("period", values.text("cpu_period")), ("quota", values.text("cpu_quota")),
            ("shares", values.text("cpu_share")),
        ) if text
    }  # fmt: skip
    sets = {
        name: text for name, text in (
            ("cpus", values.text("cpuset_cpus")), ("mems", values.text("cpuset_mems")),
        ) if text
    }  # fmt: skip
    memory = {
        name: _bytes(text, name) for name, text in (
            ("limit", values.text("memory")), ("reservation", values.text("memory_reservation")),
            ("swap", values.text("memory_swap")),
        ) if text
    }  # fmt: skip
    if cpu or sets:
        made["cpu"] = {**cpu, **sets}  # type: ignore[typeddict-item]
    if memory:
        made["memory"] = memory  # type: ignore[typeddict-item]
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
