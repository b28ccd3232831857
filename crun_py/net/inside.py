"""Inside a container's network namespace: sockets of it, settings, addresses and routes."""

from __future__ import annotations

from crun_py._native import check, lib
from crun_py.net import ip, netlink
from crun_py.net.sysctl import write
from crun_py.ns.thread import in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from crun_py.model.network import Attachment, Join, Network

    T = TypeVar("T")

_CLONE_NEWNET = 0x40000000


def run(netns_fd: int, function: Callable[[], T]) -> T:
    """What function() returns in the network namespace `netns_fd`; it raises what that raises."""

    # in a thread: from inside a user namespace there is no way back
    def enter() -> T:
        check(lib.crunpy_setns(netns_fd, _CLONE_NEWNET), "setns")
        return function()

    return in_thread(enter, "entering the network namespace")


def socket(netns_fd: int, *, ipv6: bool = False) -> netlink.Socket:
    """A netlink socket that belongs to the network namespace `netns_fd`.  Raises OSError.

    Unless `ipv6`, turns it off there for interfaces to come: a network of IPv4 has none, and a
    router advertisement of a neighbour would reroute the container (CVE-2020-13401).
    """

    def make() -> netlink.Socket:
        if not ipv6:
            write("ipv6/conf/default/disable_ipv6", "1", absent_ok=True)
        return netlink.Socket()

    return run(netns_fd, make)


def configure(
    sock: netlink.Socket,
    netns_fd: int,
    network: Network,
    attachment: Attachment,
    join: Join,
    *,
    default: tuple[int, ...],
) -> None:
    """Give the interface of `attachment`, which is there, its addresses and routes, and set it up.

    default: the families (widths) whose default route leads here.  Raises OSError.
    """
    interface = attachment.interface
    if attachment.ip6:
        run(netns_fd, lambda: _allow_ipv6(interface))
    index = netlink.link_index(sock, interface)
    messages = [netlink.link_up(1)]
    for address, prefix in (
        (attachment.ip, attachment.prefix),
        (attachment.ip6, attachment.prefix6),
        *((address, 16) for address in join.link_local),
    ):
        if address:
            messages.append(netlink.address_add(index, ip.packed(address), prefix))
    messages.append(netlink.link_up(index))
    gateways = ((ip.IPv4, attachment.gateway), (ip.IPv6, attachment.gateway6))
    for width, gateway in gateways:
        if gateway and width in default:
            messages.append(netlink.route_add(ip.packed(gateway), index, metric=network.metric))
    for route in network.routes:
        base, prefix, width = ip.subnet(route.destination)
        messages.append(
            netlink.route_add(
                ip.packed(route.gateway), index, base.to_bytes(width // 8, "big"), prefix,
                route.metric,
            )
        )  # fmt: skip
    sock.do(*messages)


def _allow_ipv6(interface: str) -> None:
    """Addresses of IPv6 on an interface, but none that a neighbour announces."""
    for name, value in (("accept_ra", "0"), ("disable_ipv6", "0")):
        write(f"ipv6/conf/{interface}/{name}", value)
