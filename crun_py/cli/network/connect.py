"""crunpy network connect."""

from __future__ import annotations

from crun_py.engine import networks
from crun_py.engine.context import Context
from crun_py.errors import Unsupported
from crun_py.model.network import Join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "NETWORK CONTAINER"
OPTIONS = (
    ("--alias", "list", "A further name on the network", "NAME"),
    ("--ip", "value", "Address on the network", "ADDRESS"),
    ("--ip6", "value", "IPv6 address on the network", "ADDRESS"),
    ("--mac-address", "value", "Hardware address on the network", "MAC"),
    ("--link-local-ip", "list", "A further address, of 169.254.0.0/16", "ADDRESS"),
    ("--link", "list", "", "SPEC"),
    ("--driver-opt", "list", "", "KEY=VALUE"),
    ("--gw-priority", "value", "", "NUMBER"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Connect; a running container has the network at once."""
    for name in ("link", "driver_opt", "gw_priority"):
        if values[name]:
            raise Unsupported(f"--{name.replace('_', '-')}: networks that are joined have none")
    network, container = arguments
    join = Join(
        network,
        ip=values["ip"] or "",
        ip6=values["ip6"] or "",
        mac=values["mac_address"] or "",
        aliases=tuple(values["alias"]),
        link_local=tuple(values["link_local_ip"]),
    )
    networks.connect(context, network, container, join)
    return 0
