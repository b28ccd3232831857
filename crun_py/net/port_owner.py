"""Who has a port of the host: for the words of an error, so it is only loaded then."""

from __future__ import annotations

import os

from crun_py import state
from crun_py.errors import Conflict, printable
from crun_py.net import attached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.network import Attachment, PortMapping
    from crun_py.paths import Paths

_LISTENING = "0A"
"""TCP_LISTEN, as proc_net_tcp.txt of the kernel has it."""


def owner(paths: Paths, port: PortMapping, number: int) -> str:
    """ "container NAME" or "NAME (process N)" that has `number` on the host, "" if that cannot be
    seen (another user's, or one of another store)."""
    for container in state.every(paths, among=state.begun(paths)):
        for attachment in attached.of(container):
            for other in attachment.ports:
                same = (other.protocol, other.host_port) == (port.protocol, number)
                if same and (other.host_ip == port.host_ip or not (other.host_ip and port.host_ip)):
                    return f"container {container.name}"
    return _process(port.protocol, number)


def refuse(paths: Paths, attachment: Attachment) -> None:
    """Raises Conflict when another container that runs publishes one of an attachment's ports."""
    wanted = {(port.protocol, port.host_ip, port.host_port) for port in attachment.ports}
    for container in state.every(paths, among=state.begun(paths)):
        if container.id == attachment.container_id or not container.status().alive:
            continue
        for other in (port for one in attached.of(container) for port in one.ports):
            if (other.protocol, other.host_ip, other.host_port) in wanted:
                raise Conflict(
                    f"publishing port {other.host_port}: port {other.host_port}/{other.protocol} "
                    f"is already in use by container {container.name}"
                )


def _process(protocol: str, number: int) -> str:
    wanted = {f"socket:[{inode}]" for inode in _inodes(protocol, number)}
    for pid in filter(str.isdecimal, os.listdir("/proc") if wanted else ()):
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}") in wanted:
                    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
                        return f"{printable(f.read().strip())} (process {pid})"
        except OSError:
            continue  # it has ended, or is another user's
    return ""


def _inodes(protocol: str, number: int) -> list[str]:
    """Of the sockets of ours that have the port."""
    found = []
    for name in (protocol, protocol + "6"):
        try:
            with open(f"/proc/self/net/{name}", encoding="ascii") as f:
                rows = [line.split() for line in f][1:]
        except OSError:
            continue
        for row in rows:
            listens = row[3] == _LISTENING or protocol == "udp"
            if listens and int(row[1].rpartition(":")[2], 16) == number:
                found.append(row[9])
    return found
