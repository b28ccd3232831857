"""The network of containers that ask for none in particular."""

from __future__ import annotations

import os

from crun_py import notices
from crun_py.ns import user
from crun_py.paths import private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.model.container import Networking

USUAL = "bridge"


def is_enough(asked: Networking) -> bool:
    """Whether any network will do for a container."""
    of_one = asked.ip, asked.ip6, asked.mac, asked.aliases, asked.links, asked.ports
    return asked.mode == USUAL and not (asked.networks or asked.publish_all or any(of_one))


def network(context: Context) -> str:
    """ "bridge", or "host" for a plain user in a container of another engine in which he can have
    no other network: there the host's is that container's.  Said once for a store."""
    if not user.needed():
        return USUAL
    from crun_py.net import rootless

    lacking = rootless.lacking()
    if not lacking:
        return USUAL
    from crun_py.doctor.host import Host

    outer = Host(uid=os.geteuid(), store=context.paths.root).outer
    if not outer:
        return USUAL  # the error says what is to be installed
    if context.paths.looking:
        return "host"
    private_dir(context.paths.root)
    notices.warn_once(
        context.paths.root + "/no-network",
        f"{lacking}: containers have the network of this container of {outer} (--network host)",
    )
    return "host"
