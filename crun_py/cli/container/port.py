"""crunpy port: where ports are published, and more of them, or fewer."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine import inspection, networks, selection
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument, NotFound
from crun_py.net import ports as published
from crun_py.show.listing import bracketed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.values import Values

ARGUMENTS = "[add|rm] [CONTAINER] [PORT[/PROTOCOL]...]"
OPTIONS = (
    ("-a --all", "flag", "All running containers", ""),
    ("-l --latest", "flag", "The one created last", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print where published ports are, as `80/tcp -> 0.0.0.0:8080`, or one port's address;
    `add` and `rm`, before a container and what -p takes, change them while it runs."""
    if len(arguments) > 2 and arguments[0] in ("add", "rm"):
        change(context, arguments[1], **{arguments[0]: arguments[2:]})
        return 0
    if values.flag("all"):
        for container_id in selection.every(context):
            for private, public in lines(context, container_id):
                write(f"{container_id[:12]}\t{private} -> {public}")
        return 0
    if values.flag("latest"):
        arguments = [*selection.named(context, (), latest=True), *arguments]
    if not 0 < len(arguments) < 3:
        raise InvalidArgument("port: a container is needed", hint="a name, or --all")
    found = lines(context, arguments[0])
    if len(arguments) == 1:
        for private, public in found:
            write(f"{private} -> {public}")
        return 0
    wanted = arguments[1] if "/" in arguments[1] else arguments[1] + "/tcp"
    addresses = [public for private, public in found if private == wanted]
    if not addresses:
        raise NotFound(
            f"port {arguments[1]} of container {arguments[0]}: no public port is published for it"
        )
    for address in addresses:
        write(address)
    return 0


def change(context: Context, name: str, *, add: Sequence[str] = (), rm: Sequence[str] = ()) -> None:
    """Publish ports, as -p has them, or those no more.  All texts are read before that."""
    gone = [port for text in rm for port in published.parse(text)]
    more = [port for text in add for port in published.parse(text)]
    if gone:
        networks.unpublish(context, name, gone)
    if more:
        networks.publish(context, name, more)


def lines(context: Context, name: str) -> list[tuple[str, str]]:
    """The published ports of a container, each as `80/tcp` and the host's address of it."""
    return [
        (f"{port.container_port}/{port.protocol}", f"{bracketed(port.host_ip)}:{port.host_port}")
        for port in inspection.ports(context, name)
    ]
