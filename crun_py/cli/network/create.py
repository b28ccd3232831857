"""crunpy network create."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine import networks
from crun_py.engine.context import Context
from crun_py.errors import Unsupported
from crun_py.options import network_options
from crun_py.paths import configuration
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[NETWORK]"
OPTIONS = (
    ("-d --driver", "value", "bridge, macvlan or ipvlan", "DRIVER"),
    ("--subnet", "list", "Addresses, of IPv4 or IPv6: 10.90.0.0/24", "SUBNET"),
    ("--gateway", "list", "The host's address in a subnet (its first)", "ADDRESS"),
    ("--ip-range", "list", "What containers get of a subnet: a part of it, or FIRST-LAST", "RANGE"),
    ("--ipv6", "flag", "Addresses of IPv6 too", ""),
    ("--internal", "flag", "No way out, and none in", ""),
    ("--isolate", "flag", "Accepted: no network reaches another one", ""),
    ("--label", "list", "Set a label", "KEY=VALUE"),
    ("-o --opt", "list", "mtu=, parent=, mode=, metric=, com.docker.network.bridge.name= …", "OPT"),
    ("--dns", "list", "Who answers for names that are no container's", "ADDRESS"),
    ("--disable-dns", "flag", "Containers do not find each other by their names", ""),
    ("--interface-name", "value", "Name of the bridge; macvlan, ipvlan: the parent", "NAME"),
    ("--route", "list", "A route for its containers: DESTINATION,GATEWAY[,METRIC]", "ROUTE"),
    ("--ignore", "flag", "One that is there already is no error", ""),
    ("--ipam-driver", "value", "default or host-local, which are the same", "DRIVER"),
    ("--attachable", "flag", "Accepted: every container may join", ""),
    ("--scope", "value", "local, which is the only one", "SCOPE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Create, and print the id as docker does."""
    driver = values.text("ipam_driver")
    if driver in ("none", "dhcp"):
        raise Unsupported(f"--ipam-driver {driver}: addresses are the engine's own")
    request = network_options.request(values, arguments[0] if arguments else "")
    if not request.subnets and (files := configuration()):
        from crun_py.options import containers_conf

        tell = context.explain or (lambda line: None)
        request = replaced(request, pools=containers_conf.pools(files, tell))
    write(networks.create(context, request, exist_ok=values.flag("ignore")).network.id)
    return 0
