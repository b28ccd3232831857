"""crunpy update."""

from __future__ import annotations

from crun_py import notices
from crun_py.cli.container import create_request, port
from crun_py.cli.each import each_apart
from crun_py.engine import containers
from crun_py.engine.context import Context
from crun_py.model.container import Limits
from crun_py.options import foreign, parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "CONTAINER..."
OPTIONS = (
    ("-m --memory", "value", "Memory limit", "SIZE"),
    ("--memory-swap", "value", "Limit of memory and swap together (twice --memory)", "SIZE"),
    ("--memory-reservation", "value", "Memory that is protected", "SIZE"),
    ("--cpus", "value", "How many CPUs it may use", "NUMBER"),
    ("-c --cpu-shares", "value", "Relative CPU weight (1024 is normal)", "N"),
    ("--cpu-period", "value", "Length of a CPU period in microseconds", "N"),
    ("--cpu-quota", "value", "CPU time in a period in microseconds", "N"),
    ("--cpuset-cpus", "value", "CPUs it may run on", "LIST"),
    ("--cpuset-mems", "value", "Memory nodes it may use", "LIST"),
    ("--pids-limit", "value", "How many processes it may have (-1: any number)", "N"),
    ("--blkio-weight", "value", "Relative I/O weight, 10 to 1000", "N"),
    ("--blkio-weight-device", "list", "The same for one device", "DEVICE:N"),
    ("--device-read-bps", "list", "Bytes that may be read in a second", "DEVICE:SIZE"),
    ("--device-write-bps", "list", "Bytes that may be written in a second", "DEVICE:SIZE"),
    ("--device-read-iops", "list", "Reads in a second", "DEVICE:N"),
    ("--device-write-iops", "list", "Writes in a second", "DEVICE:N"),
    ("--restart", "value", "no, on-failure[:N], always or unless-stopped", "POLICY"),
    ("--publish-add", "list", "Publish a port more: [[IP:]HOSTPORT:]PORT[/PROTOCOL]", "SPEC"),
    ("--publish-rm", "list", "Publish a port no more", "SPEC"),
    *((f"--{name}", "value", "", "VALUE") for name in foreign.OF_UPDATE),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Change and print each name."""
    for line in foreign.for_update(values):
        notices.warn(line)
    limits = create_request.limits(values)
    given = values.maybe("restart")
    policy = None if given is None else parts.restart_policy(given)

    ports = {"add": values.texts("publish_add"), "rm": values.texts("publish_rm")}

    def act(name: str) -> str:
        if any(ports.values()):
            port.change(context, name, **ports)
        if limits != Limits() or policy is not None or not any(ports.values()):
            containers.update(context, name, limits, policy)
        return name

    return each_apart(arguments, act)
