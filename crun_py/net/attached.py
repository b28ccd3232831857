"""network.json: how a container that runs is connected to its networks."""

from __future__ import annotations

from crun_py import jsonfile, state
from crun_py.errors import CorruptState, InvalidArgument
from crun_py.model.network import Attachment, Endpoint, NetworkState
from crun_py.record import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.paths import Paths
    from crun_py.state import Container


def write(run_directory: str, attachments: Sequence[Attachment]) -> None:
    """Note what a `disconnect` undoes."""
    value = to_json(NetworkState(attachments=tuple(attachments)))
    jsonfile.write(run_directory + "/network.json", value, durable=False)


def read(run_directory: str) -> tuple[Attachment, ...]:
    """The attachments, in order.  Raises FileNotFoundError, CorruptState."""
    path = run_directory + "/network.json"
    try:
        return from_json(NetworkState, jsonfile.read(path)).attachments
    except InvalidArgument as e:
        raise CorruptState(f"reading {path}: {e.message}") from None


def endpoints(paths: Paths, name: str) -> tuple[Endpoint, ...]:
    """The containers that run on a network."""
    return tuple(
        Endpoint(
            container_id=container.id,
            name=container.name,
            ip=attachment.ip,
            prefix=attachment.prefix,
            ip6=attachment.ip6,
            prefix6=attachment.prefix6,
            mac=attachment.mac,
            interface=attachment.interface,
        )
        for container in state.every(paths, among=state.begun(paths))
        for attachment in of(container)
        if attachment.network == name and not attachment.helper
    )


def of(container: Container) -> tuple[Attachment, ...]:
    """Those of a container, () when it has none, for who only shows them."""
    try:
        return read(container.run_directory)
    except (FileNotFoundError, CorruptState):
        return ()
