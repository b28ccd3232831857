"""The names of containers on networks, in the file that those who answer for them read.

One line for each address: OWNER NETWORK ADDRESS NAME…; `!` before the network of one that is
internal.  The file is replaced whole, under a lock: a reader sees all of a change or nothing.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.net import dns, ipam
from crun_py.paths import private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.model.network import Attachment, Join
    from crun_py.paths import Paths
    from crun_py.state import Container


def directory(paths: Paths) -> str:
    """Where the file `names` is."""
    return ipam.directory(paths) + "/dns"


def of(container: Container, join: Join) -> tuple[str, ...]:
    """The names of a container on a network: its name, id and aliases, and its host name."""
    hostname = container.record["hostname"]
    named = (container.name, *join.aliases, container.id[:12], hostname)
    return tuple(dict.fromkeys(name.lower() for name in named if name))


def add(paths: Paths, attachment: Attachment, *, internal: bool) -> None:
    """Let the network's other containers find one by its names (`attachment.aliases`)."""
    owner, network = attachment.container_id, attachment.network
    own = [
        dns.line(owner, network, address, attachment.aliases, internal=internal)
        for address in (attachment.ip, attachment.ip6)
        if address
    ]
    start = own[0][: own[0].index(" ", len(owner) + 1) + 1]
    _change(paths, lambda lines: [*(line for line in lines if not line.startswith(start)), *own])


def remove(paths: Paths, container_id: str, network: str) -> None:
    """Undo `add`; nothing, when it is undone."""
    starts = (f"{container_id} {network} ", f"{container_id} !{network} ")
    _change(paths, lambda lines: [line for line in lines if not line.startswith(starts)])


def _change(paths: Paths, change: Callable[[list[str]], list[str]]) -> None:
    private_dir(ipam.directory(paths))
    private_dir(directory(paths))
    path = f"{directory(paths)}/{dns.FILE}"
    with jsonfile.Lock(directory(paths) + "/.lock"):
        try:
            before = jsonfile.read_bytes(path).decode().splitlines()
        except FileNotFoundError:
            before = []
        after = change(before)
        if after == before:
            return
        if after:
            dns.write_names(path, after)
        else:
            os.unlink(path)
