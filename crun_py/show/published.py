"""The ports that a running container has on the host."""

from __future__ import annotations

from crun_py.net import attached
from crun_py.record import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import Port
    from crun_py.state import Container


def attached_ports(container: Container) -> list[Port]:
    """The published ports of a running container, with the host ports really used; none of a
    network that the host only routes to."""
    found = [port for attachment in attached.of(container) for port in attachment.ports]
    return [to_json(port) for port in found if port.host_port]
