"""The macvlan and ipvlan drivers: the container is on the network of an interface of the host.

Its address is one of that network: the engine cannot know who else has it, so a subnet and what
of it may be used (--ip-range) should be given.  Nothing is published: who reaches that network
reaches the container.  The host itself does not, by the kernel's design.
"""

from __future__ import annotations

import errno

from crun_py.errors import InvalidArgument, Unsupported
from crun_py.net import inside, netlink
from crun_py.net.driver import Driver, index_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.model.network import Attachment, Network, PortMapping
    from crun_py.paths import Paths

MODES = {
    "macvlan": {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8},
    "ipvlan": {"l2": 0, "l3": 1, "l3s": 2},
}
"""The numbers of linux/if_link.h."""
_DEFAULTS = {"macvlan": "bridge", "ipvlan": "l2"}


class SharedLink(Driver):
    """Links on top of an interface of the host."""

    def validate(self, network: Network, ports: Sequence[PortMapping]) -> None:
        _parent(network)

    def link(self, paths: Paths, network: Network, attachment: Attachment, netns_fd: int) -> None:
        driver = network.driver
        mode = MODES[driver][network.mode or _DEFAULTS[driver]]
        mac = bytes.fromhex(attachment.mac.replace(":", ""))
        with netlink.Socket() as sock:
            # some kernels want the name to be free here too
            parent = _parent(network)
            add = netlink.shared_link_add(
                driver, attachment.host_interface, parent, netns_fd, mode, mac, network.mtu
            )
            try:
                sock.do(add)
            except OSError as e:
                if e.errno != errno.EOPNOTSUPP:
                    raise
                raise Unsupported.from_os(
                    f"making a link of network {network.name!r}",
                    e,
                    hint=f"the kernel lacks {driver}: try `modprobe {driver}`",
                ) from e
        inside.run(netns_fd, lambda: _rename(attachment))


def _rename(attachment: Attachment) -> None:
    with netlink.Socket() as sock:
        index = netlink.link_index(sock, attachment.host_interface)
        sock.do(netlink.link_rename(index, attachment.interface))


def _parent(network: Network) -> int:
    """The index of the interface of the host.  Raises NotFound, InvalidArgument."""
    with netlink.Socket() as sock:
        if network.parent:
            return index_of(network, network.parent, "interface", sock)
        found = netlink.default_link(sock)
        if not found:
            raise InvalidArgument(
                f"network {network.name!r}: it has no parent, and the host no default route",
                hint="network create -o parent=INTERFACE",
            )
        return found
