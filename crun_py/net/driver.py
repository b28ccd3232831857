"""What kinds of networks have in common: how a container's interface comes to be, and what of it
the host has.

A driver that has nothing to do for a verb does nothing: the way of all is the same (attach.py).
Each works in a process that is in the host's network namespace and has CAP_NET_ADMIN and, for
the container's, CAP_SYS_ADMIN.
"""

from __future__ import annotations

import errno

from crun_py.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.model.network import Attachment, Network, PortMapping
    from crun_py.net import netlink
    from crun_py.paths import Paths


class Driver:
    """One kind of network."""

    def validate(self, network: Network, ports: Sequence[PortMapping]) -> None:
        """Raises InvalidArgument or NotFound for what cannot be, before anything is touched.

        ports: that the container publishes on this network."""

    def link(self, paths: Paths, network: Network, attachment: Attachment, netns_fd: int) -> None:
        """Make the interface in the namespace `netns_fd`, and what of the host it needs.

        Raises OSError, CrunpyError."""

    def publish(self, paths: Paths, network: Network, attachment: Attachment) -> None:
        """Make the host answer on the ports; also again, after somebody took that away."""

    def unpublish(self, paths: Paths, attachment: Attachment) -> None:
        """Undo `publish`; what is gone already is no error."""

    def unlink(self, attachment: Attachment, netns_fd: int) -> None:
        """Delete the interface, for a container that goes on without it."""
        from crun_py.net import inside, netlink

        with inside.socket(netns_fd, ipv6=True) as sock:
            netlink.delete_if_there(sock, attachment.interface)

    def unlinked(self, attachment: Attachment) -> None:
        """The interface is gone, or will be soon by the kernel: what the host knows of it goes."""

    def remove(self, network: Network) -> None:
        """Delete the host's side of a network; the caller has seen that nobody uses it."""


def index_of(network: Network, name: str, what: str, sock: netlink.Socket) -> int:
    """The index of an interface of the host that a network needs.  Raises NotFound."""
    from crun_py.net import netlink

    try:
        return netlink.link_index(sock, name)
    except OSError as e:
        if e.errno != errno.ENODEV:
            raise
        raise NotFound(f"network {network.name!r}: there is no {what} {name}") from None
