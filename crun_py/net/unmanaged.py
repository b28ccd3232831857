"""A bridge of the host's own: containers are ports of it, and nothing else of the host is touched.

Who manages the bridge decides where it leads: to a wire, to machines, tagged with a VLAN.
"""

from __future__ import annotations

from crun_py.net import netlink
from crun_py.net.bridge import port
from crun_py.net.driver import Driver, index_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.model.network import Attachment, Network, PortMapping
    from crun_py.paths import Paths


class Unmanaged(Driver):
    """Ports of a bridge that is there."""

    def validate(self, network: Network, ports: Sequence[PortMapping]) -> None:
        with netlink.Socket() as sock:
            _index(network, sock)

    def link(self, paths: Paths, network: Network, attachment: Attachment, netns_fd: int) -> None:
        with netlink.Socket() as sock:
            port(sock, network, attachment, netns_fd, _index(network, sock))

    def unlink(self, attachment: Attachment, netns_fd: int) -> None:
        with netlink.Socket() as sock:
            netlink.delete_if_there(sock, attachment.host_interface)

    def unlinked(self, attachment: Attachment) -> None:
        with netlink.Socket() as sock:  # who shares its namespace may go on
            netlink.take_down(sock, attachment.host_interface)


def _index(network: Network, sock: netlink.Socket) -> int:
    return index_of(network, network.interface, "bridge", sock)
