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
            tell_of(container_id, lines(context, container_id))
        return 0
    if values.flag("latest"):
        arguments = [*selection.named(context, (), latest=True), *arguments]
    check(arguments)
    tell(arguments, lines(context, arguments[0]))
    return 0


def check(arguments: list[str]) -> None:
    """Raises InvalidArgument for other words than a container and a port."""
    if not 0 < len(arguments) < 3:
        raise InvalidArgument("port: a container is needed", hint="a name, or --all")


def tell_of(container_id: str, found: list[tuple[str, str]]) -> None:
    """Print the ports of one of several containers."""
    for private, public in found:
        write(f"{container_id[:12]}\t{private} -> {public}")


def tell(arguments: list[str], found: list[tuple[str, str]]) -> None:
    """Print the ports of a container, or where that one is that stands behind its name.  Raises
    NotFound."""
    if len(arguments) == 1:
        for private, public in found:
            write(f"{private} -> {public}")
        return
    wanted = arguments[1] if "/" in arguments[1] else arguments[1] + "/tcp"
    addresses = [public for private, public in found if private == wanted]
    if not addresses:
        raise NotFound(
            f"port {arguments[1]} of container {arguments[0]}: no public port is published for it"
        )
    for address in addresses:
        write(address)


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
