"""The bridge driver: veth pairs to a bridge of the host, and published ports in nftables.

What the host lacks (bridge, tables, forwarding) is made by the first `link` that misses it, under
a lock, and stays until reboot or `remove`.
"""

from __future__ import annotations

import errno

from crun_py import jsonfile
from crun_py.net import ip, ipam, netlink, nft, nft_guard
from crun_py.net.driver import Driver
from crun_py.net.sysctl import write as sysctl
from crun_py.paths import Paths, private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.network import Attachment, Network


_HUB_MTU = 65520
"""slirp4netns's own: nothing in a hub is a wire, and large packets cost less."""


class Bridge(Driver):
    """Containers on a bridge of the host, which routes and translates for them."""

    def link(self, paths: Paths, network: Network, attachment: Attachment, netns_fd: int) -> None:
        with netlink.Socket() as sock, nft.socket() as filter_sock:
            bridge = _bridge(paths, network, sock, filter_sock)
            _let_through(network, filter_sock)
            if is_guarded(network):
                nft_guard.add(filter_sock, attachment)
            port(sock, network, attachment, netns_fd, bridge)

    def publish(self, paths: Paths, network: Network, attachment: Attachment) -> None:
        with nft.socket() as filter_sock:
            if not _is_there(network, filter_sock):
                with netlink.Socket() as sock:
                    _ensure(paths, network, sock, filter_sock)
            _let_through(network, filter_sock)
            if is_guarded(network):
                nft_guard.add(filter_sock, attachment)
            if attachment.ports:
                with jsonfile.Lock(ipam.directory(paths) + "/.ports.lock"):
                    nft.publish(
                        filter_sock, attachment.table, nft.entries(attachment),
                        lambda: _refuse_taken(paths, attachment),
                    )  # fmt: skip
                    nft.open_ports(filter_sock, attachment.table, nft.opened(attachment))

    def unpublish(self, paths: Paths, attachment: Attachment) -> None:
        if attachment.ports:
            private_dir(ipam.directory(paths))
            with (
                jsonfile.Lock(ipam.directory(paths) + "/.ports.lock"),
                nft.socket(later=True) as sock,
            ):
                nft.unpublish(sock, attachment.table, nft.entries(attachment))
                nft.close_ports(sock, attachment.table, nft.opened(attachment))

    def unlinked(self, attachment: Attachment) -> None:
        # what is left of it, or who shares its namespace and goes on, is not guarded any more
        with netlink.Socket() as sock:
            netlink.take_down(sock, attachment.host_interface)
        with nft.socket(later=True) as sock:
            nft_guard.remove(sock, attachment)

    def unlink(self, attachment: Attachment, netns_fd: int) -> None:
        with netlink.Socket() as sock:
            netlink.delete_if_there(sock, attachment.host_interface)

    def remove(self, network: Network) -> None:
        from crun_py.net import host

        host.remove_bridge(network.interface, _mac(network))
        with nft.socket() as filter_sock:
            nft.remove_bridge(filter_sock, network.table, network.interface, _subnets(network))
            from crun_py.net import nft_forward

            nft_forward.take_back(filter_sock, network.interface)


def port(
    sock: netlink.Socket, network: Network, attachment: Attachment, netns_fd: int, bridge: int
) -> None:
    """Make the container's interface, whose other end is a port of the bridge (an index)."""
    name = attachment.host_interface
    add = [
        netlink.veth_add(
            name,
            attachment.interface,
            netns_fd,
            bridge,
            bytes.fromhex(attachment.mac.replace(":", "")),
            network.mtu or (_HUB_MTU if attachment.hub else 0),
        ),
        netlink.port_modes(name, isolated=not network.bridge.between),
    ]
    try:
        sock.do(*add)
    except FileExistsError:  # of this container's last start: the kernel may be about to delete it
        netlink.delete_if_there(sock, name)
        sock.do(*add)
    if network.bridge.vlan:
        sock.do(*netlink.port_vlan(netlink.link_index(sock, name), network.bridge.vlan))


def _refuse_taken(paths: Paths, attachment: Attachment) -> None:
    """Where ports are a living container's, whose monitor was killed: nobody held them."""
    from crun_py.net import port_owner

    port_owner.refuse(paths, attachment)


def is_guarded(network: Network) -> bool:
    """Whether its containers are held to their addresses (-o guard=false: virtual addresses)."""
    return network.options.get("guard", "true").lower() not in ("false", "0")


def _let_through(network: Network, filter_sock: netlink.Socket) -> None:
    """Beside other programs' rules, which may have come after ours."""
    families = {nft.family_of(subnet) for subnet in _subnets(network)}
    there = [f for f in families if nft.exists(filter_sock, nft.FILTER_TABLE, f)]
    if there:
        from crun_py.net import nft_forward

        nft_forward.let_through(filter_sock, network.interface, there)


def _plain(network: Network) -> list[int]:
    """The families whose packets leave as they are."""
    return [
        family
        for family, name in nft.NAMES.items()
        if not network.bridge.masquerade or name in network.bridge.routed
    ]


def _mac(network: Network) -> str:
    """The bridge's hardware address, by which it is known as ours."""
    first = network.subnets[0]
    return hardware(first.gateway or ip.text(*ip.subnet(first.subnet)[::2])).hex(":")


def _subnets(network: Network) -> list[str]:
    return [subnet.subnet for subnet in network.subnets]


def _is_there(network: Network, filter_sock: netlink.Socket) -> bool:
    """Whether the tables of the network's families know its bridge."""
    families = {nft.family_of(subnet) for subnet in _subnets(network)}
    table, interface = network.table, network.interface
    return all(nft.has_bridge(filter_sock, table, interface, family) for family in families)


def _bridge(
    paths: Paths, network: Network, sock: netlink.Socket, filter_sock: netlink.Socket
) -> int:
    """The index of the network's bridge, which is made, with the tables, if it is not there."""
    if not _is_there(network, filter_sock):
        _ensure(paths, network, sock, filter_sock)
    try:
        return netlink.link_index(sock, network.interface)
    except OSError as e:
        if e.errno != errno.ENODEV:
            raise
        return _ensure(paths, network, sock, filter_sock)


def _ensure(
    paths: Paths, network: Network, sock: netlink.Socket, filter_sock: netlink.Socket
) -> int:
    """Make what the host lacks for `network`; the index of its bridge.

    The tables' entries come last: who sees them may rely on the rest.
    """
    private_dir(ipam.directory(paths))
    with jsonfile.Lock(ipam.directory(paths) + "/.host.lock"):
        if _is_there(network, filter_sock):
            try:
                return netlink.link_index(sock, network.interface)  # made while we waited
            except OSError as e:
                if e.errno != errno.ENODEV:
                    raise
        from crun_py.net import host

        # a bridge without a MAC of its own takes its lowest port's, and neighbours would lose
        # it when that container ends
        index = host.make_bridge(network, _mac(network))
        if network.ipv4:
            # lets 127.0.0.1:PORT reach a container; the table's chain `raw` keeps the way back shut
            sysctl(f"ipv4/conf/{network.interface}/route_localnet", "1")
            sysctl("ipv4/ip_forward", "1")
        if network.ipv6:
            host.forward_ipv6()
        if not _is_there(network, filter_sock):
            nft.add_bridge(
                filter_sock,
                network.table,
                network.interface,
                _subnets(network),
                internal=network.internal,
                between=network.bridge.between,
                plain=_plain(network),
            )
        return index


def hardware(address: str) -> bytes:
    """A hardware address of our own for an IP address, so that who gets the address again keeps
    its neighbours."""
    return b"\x02\xc5" + ip.packed(address)[-4:]
