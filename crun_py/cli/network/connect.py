"""crunpy network connect."""

from __future__ import annotations

from crun_py.engine import networks
from crun_py.engine.context import Context
from crun_py.errors import Unsupported
from crun_py.model.network import Join
from crun_py.options import parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "NETWORK CONTAINER"
OPTIONS = (
    ("--alias", "list", "A further name on the network", "NAME"),
    ("--ip", "value", "Address on the network", "ADDRESS"),
    ("--ip6", "value", "IPv6 address on the network", "ADDRESS"),
    ("--mac-address", "value", "Hardware address on the network", "MAC"),
    ("--link-local-ip", "list", "A further address, of 169.254.0.0/16", "ADDRESS"),
    ("--link", "list", "Know another container of the network by a further name", "NAME[:ALIAS]"),
    ("--driver-opt", "list", "", "KEY=VALUE"),
    ("--gw-priority", "value", "", "NUMBER"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Connect; a running container has the network at once."""
    for name in ("driver_opt", "gw_priority"):
        if values.given(name):
            raise Unsupported(f"--{name.replace('_', '-')}: networks that are joined have none")
    network, container = arguments
    join = Join(
        network,
        ip=values.text("ip"),
        ip6=values.text("ip6"),
        mac=values.text("mac_address"),
        aliases=tuple(values.texts("alias")),
        link_local=tuple(values.texts("link_local_ip")),
    )
    links = [parts.link(text) for text in values.texts("link")]
    networks.connect(context, network, container, join, links)
    return 0
