"""crunpy port."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument, NotFound
from crun_py.show import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER] [PORT[/PROTOCOL]]"
OPTIONS = (
    ("-a --all", "flag", "All running containers", ""),
    ("-l --latest", "flag", "The one created last", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print where published ports are, as `80/tcp -> 0.0.0.0:8080`, or one port's address."""
    if values["all"]:
        for container in state.every(context.paths):
            for line in lines(container):
                write(f"{container.id[:12]}\t{line}")
        return 0
    if values["latest"]:
        arguments = [state.latest(context.paths).id, *arguments]
    if not 0 < len(arguments) < 3:
        raise InvalidArgument("port: a container is needed", hint="a name, or --all")
    container = state.find(context.paths, arguments[0])
    if len(arguments) == 1:
        for line in lines(container):
            write(line)
        return 0
    wanted = arguments[1] if "/" in arguments[1] else arguments[1] + "/tcp"
    found = [
        line.partition(" -> ")[2] for line in lines(container) if line.startswith(wanted + " ")
    ]
    if not found:
        raise NotFound(
            f"port {arguments[1]} of container {arguments[0]}: no public port is published for it"
        )
    for address in found:
        write(address)
    return 0


def lines(container: state.Container) -> list[str]:
    """The published ports of a container that runs, with the host's addresses really used."""
    if not container.status().running:
        return []
    return [
        f"{p['container_port']}/{p['protocol']} -> {p['host_ip'] or '0.0.0.0'}:{p['host_port']}"
        for p in listing.attached_ports(container)
    ]
