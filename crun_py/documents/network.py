"""network.json: how a container was connected to its network, for taking it down."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from crun_py.documents.container import Port


class Attachment(TypedDict, total=False):
    """What is shown of it, beside what each driver in net/ needs to undo it.  ports: as they
    really are."""

    ip: str
    prefix: int
    gateway: str
    mac: str
    interface: str
    ports: list[Port]


class NetworkState(TypedDict):
    """driver: bridge or rootless."""

    driver: str
    attachment: NotRequired[Attachment]
