"""Networks: what each is, what a container asks of one, and how it is connected to it."""

from __future__ import annotations

from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import KW_ONLY

DRIVERS = ("bridge", "macvlan", "ipvlan")


@record(kw_only=False)
class PortMapping:
    """A port of the container that the host answers on.

    host_port: 0 lets the engine choose one; host_last: with it, the first free one of the range.
    host_ip: the address to answer on, "" for all.  protocol: tcp, udp or sctp.
    """

    container_port: int
    host_port: int = 0
    _: KW_ONLY
    host_ip: str = ""
    protocol: str = "tcp"
    host_last: int = 0


@record(kw_only=False)
class Subnet:
    """Addresses of a network.

    subnet: 10.88.0.0/16 or fd00::/64.  gateway: whom its containers send to what is elsewhere,
    for a bridge the host itself; "" for nobody.  first, last: of those that containers get without
    asking for one; "" for all.
    """

    subnet: str
    gateway: str = ""
    _: KW_ONLY
    first: str = ""
    last: str = ""


@record(kw_only=False)
class Route:
    """destination: a subnet, reached over gateway; metric: 0 for the kernel's."""

    destination: str
    gateway: str
    metric: int = 0


@record
class BridgeOptions:
    """What a network of driver bridge does otherwise.

    between: its containers reach each other (docker's enable_icc).  masquerade: what they send to
    elsewhere has the host's address.  routed: the families, "ipv4" and "ipv6", for which the host
    only routes: no translation, and a published port is the container's own, at its own address.
    host_ip: where ports without an address are published, "" for all.  prefix: of its containers'
    interfaces' names.  default_route: whether one leads over it.  vlan: of its ports, 0 for none;
    the bridge filters then.  managed: False where the bridge is the host's own: nothing is
    published, and the host is not changed.
    """

    between: bool = True
    masquerade: bool = True
    routed: tuple[str, ...] = ()
    host_ip: str = ""
    prefix: str = "eth"
    default_route: bool = True
    vlan: int = 0
    managed: bool = True


USUAL = BridgeOptions()


@record
class NetworkRequest:
    """A network that is to be made.

    driver: bridge, macvlan or ipvlan.  subnets: () lets the engine choose; ipv6: it chooses one of
    IPv6 too.  internal: no way out, and none in.  dns: containers find each other by their names;
    dns_servers: who answers for other names, () for the host's.  interface: the bridge's name, or
    (macvlan, ipvlan) parent: the interface of the host that they share, and mode.  mtu: 0 for the
    kernel's.  bridge: what a bridge does otherwise.  options: as they were written (--opt); hidden
    to nobody.  pools: where subnets are chosen from, networks of IPv4 and the prefix length of a
    part; () for the engine's own.
    """

    name: str = ""
    driver: str = "bridge"
    subnets: tuple[Subnet, ...] = ()
    ipv6: bool = False
    internal: bool = False
    dns: bool = True
    dns_servers: tuple[str, ...] = ()
    interface: str = ""
    parent: str = ""
    mode: str = ""
    mtu: int = 0
    metric: int = 0
    routes: tuple[Route, ...] = ()
    labels: dict[str, str] = {}  # noqa: RUF012  # a record is not changed
    bridge: BridgeOptions = USUAL
    options: dict[str, str] = {}  # noqa: RUF012
    pools: tuple[tuple[str, int], ...] = ()


@record
class Network:
    """A network as it is on disk: what was asked for, and what was chosen.

    id: 64 hexadecimal digits.  created: RFC 3339.  table: the nftables table of the store.
    """

    name: str
    id: str
    created: str
    table: str
    driver: str
    subnets: tuple[Subnet, ...]
    interface: str = ""
    internal: bool = False
    dns: bool = False
    dns_servers: tuple[str, ...] = ()
    parent: str = ""
    mode: str = ""
    mtu: int = 0
    metric: int = 0
    routes: tuple[Route, ...] = ()
    labels: dict[str, str] = {}  # noqa: RUF012
    bridge: BridgeOptions = USUAL
    options: dict[str, str] = {}  # noqa: RUF012

    @property
    def kind(self) -> str:
        """The driver, or "unmanaged" for a bridge that is the host's own."""
        return self.driver if self.bridge.managed else "unmanaged"

    @property
    def leads_out(self) -> bool:
        """Whether a default route may lead over it."""
        return not self.internal and self.bridge.default_route

    @property
    def publishes(self) -> bool:
        """Whether ports of its containers can be published."""
        return self.kind == "bridge" and not self.internal

    @property
    def only_routed(self) -> bool:
        """Whether published ports are the containers' own, and none of the host's."""
        return all(
            ("ipv6" if ":" in subnet.subnet else "ipv4") in self.bridge.routed
            for subnet in self.subnets
        )

    @property
    def ipv6(self) -> bool:
        """Whether its containers have addresses of IPv6."""
        return any(":" in subnet.subnet for subnet in self.subnets)

    @property
    def ipv4(self) -> bool:
        """Whether they have addresses of IPv4."""
        return any(":" not in subnet.subnet for subnet in self.subnets)


@record(kw_only=False)
class Join:
    """What a container asks of a network.

    network: its name.  ip, ip6, mac: these and no others, "" lets the engine choose.  aliases:
    further names for the network's other containers.  interface: its name inside, "" for eth0,
    eth1 … in the order of the networks.  link_local: further addresses.
    """

    network: str
    _: KW_ONLY
    ip: str = ""
    ip6: str = ""
    mac: str = ""
    aliases: tuple[str, ...] = ()
    interface: str = ""
    link_local: tuple[str, ...] = ()


@record
class Attachment:
    """How a running container is connected to a network; what is needed to undo it.

    driver: bridge, macvlan, ipvlan, or rootless: pasta or slirp4netns, whose process is pid, which
    began at start_time (clock ticks after boot).  interface is the container's end, host_interface
    the host's; prefix is the subnet's length in bits.  dns: servers that the network brings along;
    host_address: by which the container reaches the host.  hub: the inode of the network
    namespace that stands for the host, 0 for the host's own (net/hub.py).  routed: as of
    BridgeOptions.
    """

    driver: str
    network: str
    container_id: str = ""
    hostname: str = ""
    interface: str = ""
    host_interface: str = ""
    ip: str = ""
    prefix: int = 0
    gateway: str = ""
    ip6: str = ""
    prefix6: int = 0
    gateway6: str = ""
    mac: str = ""
    table: str = ""
    aliases: tuple[str, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    dns: tuple[str, ...] = ()
    host_address: str = ""
    link_local: tuple[str, ...] = ()
    routed: tuple[str, ...] = ()
    hub: int = 0
    helper: str = ""
    pid: int = 0
    start_time: int = 0


@record
class NetworkState:
    """network.json: the attachments of a container that runs, in the order they were made."""

    attachments: tuple[Attachment, ...] = ()


@record
class Endpoint:
    """A container on a network, as `network inspect` shows it."""

    container_id: str
    name: str
    ip: str = ""
    prefix: int = 0
    ip6: str = ""
    prefix6: int = 0
    mac: str = ""
    interface: str = ""


@record
class NetworkInfo:
    """A network as the engine tells of it; containers: those that run on it."""

    network: Network
    containers: tuple[Endpoint, ...] = ()
