"""The names of containers on networks, in the file that those who answer for them read.

One line for each address: OWNER NETWORK ADDRESS NAME…; `!` before the network of one that is
internal.  A line `@ NETWORK SERVER…` has whom the containers of a network ask for other names,
where that is not the host's servers.  The file is replaced whole, under a lock: a reader sees all
of a change or nothing.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.net import dns, ipam
from crun_py.paths import private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.model.network import Attachment, Join, Network
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


def add(paths: Paths, attachment: Attachment, network: Network) -> None:
    """Let the network's other containers find one by its names (`attachment.aliases`)."""
    owner = attachment.container_id
    own = [
        dns.line(owner, network.name, address, attachment.aliases, internal=network.internal)
        for address in (attachment.ip, attachment.ip6)
        if address
    ]
    start = own[0][: own[0].index(" ", len(owner) + 1) + 1]

    def change(lines: list[str]) -> list[str]:
        return _with_servers([*(x for x in lines if not x.startswith(start)), *own], network)

    _change(paths, change)


def servers(paths: Paths, network: Network) -> None:
    """The containers that run on a network ask its servers from now on."""
    _change(paths, lambda lines: _with_servers(lines, network))


def _with_servers(lines: list[str], network: Network) -> list[str]:
    start = f"@ {network.name} "
    left = [line for line in lines if not line.startswith(start)]
    used = any(line.split(" ", 2)[1].lstrip("!") == network.name for line in left)
    return [*left, start + " ".join(network.dns_servers)] if used and network.dns_servers else left


def remove(paths: Paths, container_id: str, network: str) -> None:
    """Undo `add`; nothing, when it is undone."""
    starts = (f"{container_id} {network} ", f"{container_id} !{network} ")

    def change(lines: list[str]) -> list[str]:
        left = [line for line in lines if not line.startswith(starts)]
        if any(line.split(" ", 2)[1].lstrip("!") == network for line in left if line[0] != "@"):
            return left
        return [line for line in left if not line.startswith(f"@ {network} ")]

    _change(paths, change)


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
