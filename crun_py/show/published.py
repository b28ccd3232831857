"""The ports that a running container has on the host."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.errors import CorruptState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import Port
    from crun_py.documents.network import NetworkState
    from crun_py.state import Container


def attached_ports(container: Container) -> list[Port]:
    """The published ports of a running container, with the host ports really used."""
    try:
        found: NetworkState = jsonfile.read(container.run_directory + "/network.json")
        return found["attachment"].get("ports", [])
    except (FileNotFoundError, CorruptState, KeyError, AttributeError):
        return []
