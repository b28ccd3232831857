"""The host's side of a bridge network, made once: through pyroute2, the only module that does.

Importing pyroute2 takes about 0.3 s, so it is for what happens once per network and boot;
what every `run` needs is in netlink.py.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from socket import AF_INET, AF_INET6

from crun_py.errors import Conflict, CrunpyError, Unsupported

try:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError
except ImportError as e:
    if e.name != "_ctypes":
        raise
    raise Unsupported(
        "making networks: this Python was built without _ctypes",
        hint="install libffi-dev (libffi-devel) and build it again, or use the system's python3; "
        "--network none and --network host work without",
    ) from e

from crun_py.model.network import Network
from crun_py.net import ip, netlink
from crun_py.net.sysctl import read, write

_UNICAST, _NODAD = 1, 2  # RTN_UNICAST, IFA_F_NODAD
_HINT = "the kernel lacks it: try `modprobe bridge veth`, or --network host"


def routes() -> list[tuple[int, int, int]]:
    """The destinations that the host routes, of both families, but the default ones, as subnets
    (ip.py)."""
    found = []
    with _errors("reading the host's routes"), IPRoute() as ipr:
        for family in (AF_INET, AF_INET6):
            for route in ipr.get_routes(family=family):
                destination = route.get_attr("RTA_DST")
                if destination and route["type"] == _UNICAST:
                    width = ip.width(destination)
                    found.append((ip.number(destination), int(route["dst_len"]), width))
    return found


def make_bridge(network: Network, mac: str) -> int:
    """The index of the network's bridge, up, with its gateways' addresses; what is there already
    is kept.  Raises Unsupported when the kernel has no bridges."""
    name = network.interface
    with _errors(f"making bridge {name}"), IPRoute() as ipr:
        options: dict[str, int] = {"mtu": network.mtu} if network.mtu else {}
        _unless_there(lambda: ipr.link("add", ifname=name, kind="bridge", address=mac, **options))
        index = int(ipr.link_lookup(ifname=name)[0])
        if not _is_ours(ipr, index, mac):
            raise Conflict(
                f"making bridge {name}: the host has an interface of this name that is not ours"
            )
        # else the host would believe router advertisements of containers
        write(f"ipv6/conf/{name}/accept_ra", "0", absent_ok=True)
        # its own link-local address is nobody else's: the first container would wait for it
        write(f"ipv6/conf/{name}/accept_dad", "0", absent_ok=True)
        write(f"ipv6/conf/{name}/disable_ipv6", "0" if network.ipv6 else "1", absent_ok=True)
        if network.bridge.vlan:
            _filter(ipr, index, network)
        ipr.link("set", index=index, state="up")
        for subnet in network.subnets:
            _, prefix, width = ip.subnet(subnet.subnet)
            about: dict[str, int | str] = {
                "index": index,
                "address": subnet.gateway,
                "prefixlen": prefix,
            }
            if width == ip.IPv6:
                about["flags"] = _NODAD

            def add(about: dict[str, int | str] = about) -> None:
                ipr.addr("add", **about)

            if subnet.gateway:
                _unless_there(add)
        return index


def _filter(ipr: IPRoute, index: int, network: Network) -> None:
    doing = f"filtering VLAN {network.bridge.vlan} on bridge {network.interface}"
    with _errors(doing, hint="the kernel lacks CONFIG_BRIDGE_VLAN_FILTERING"):
        ipr.link("set", index=index, kind="bridge", br_vlan_filtering=1)
        with netlink.Socket() as sock:
            sock.do(*netlink.port_vlan(index, network.bridge.vlan, bridge=True))


def forward_ipv6() -> None:
    """Let the host forward IPv6.  A host that forwards takes no router advertisements unless it
    is told to: those interfaces that did go on, or the host would lose its own address."""
    if read("ipv6/conf/all/forwarding") == "1":
        return
    with _errors("reading the host's interfaces"), IPRoute() as ipr:
        names = [str(link.get_attr("IFLA_IFNAME")) for link in ipr.get_links()]
    for name in names:
        if read(f"ipv6/conf/{name}/accept_ra") == "1":
            write(f"ipv6/conf/{name}/accept_ra", "2")
    write("ipv6/conf/all/forwarding", "1")


def remove_bridge(name: str, mac: str) -> None:
    """Delete the bridge `name` of ours; absent is fine, and what is another's stays."""
    with _errors(f"deleting interface {name}"), IPRoute() as ipr:
        for index in ipr.link_lookup(ifname=name):
            if _is_ours(ipr, index, mac):
                ipr.link("del", index=index)


def _is_ours(ipr: IPRoute, index: int, mac: str) -> bool:
    link = ipr.get_links(index)[0]
    about = link.get_attr("IFLA_LINKINFO")
    kind = about.get_attr("IFLA_INFO_KIND") if about else ""
    return kind == "bridge" and link.get_attr("IFLA_ADDRESS") == mac


def _unless_there(act: Callable[[], object]) -> None:
    try:
        act()
    except NetlinkError as e:
        if e.code != errno.EEXIST:
            raise


class _errors:
    """Netlink's refusals as errors of ours, naming what was being done."""

    def __init__(self, doing: str, hint: str = _HINT) -> None:
        self._doing, self._hint = doing, hint

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NetlinkError):
            os_error = OSError(error.code, str(error))
            if error.code == errno.EOPNOTSUPP:
                raise Unsupported.from_os(self._doing, os_error, hint=self._hint) from error
            raise CrunpyError.from_os(self._doing, os_error) from error
