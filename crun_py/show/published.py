"""The ports that a running container has on the host."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.errors import CorruptState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.state import Container


def attached_ports(container: Container) -> list[dict[str, Any]]:
    """The published ports of a running container, with the host ports really used."""
    try:
        found = jsonfile.read(container.run_directory + "/network.json")
        ports: list[dict[str, Any]] = found["attachment"].get("ports", [])
    except (FileNotFoundError, CorruptState, KeyError, AttributeError):
        return []
    return ports
