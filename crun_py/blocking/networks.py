# Written by tools/blocking.py from crun_py/aio: change it there.

"""The networks of an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crun_py.library import options, values
from crun_py.library.create_options import Filters
from crun_py.library.values import expect
from crun_py.model.network import (
    USUAL,
    BridgeOptions,
    Join,
    NetworkInfo,
    NetworkRequest,
    Route,
    Subnet,
)
from crun_py.model.pruned import Pruned
from crun_py.worker.channel import Worker


class Networks:
    """`engine.networks`: on each, containers reach each other, and find each other by their names.

    Networks do not reach each other.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def create(
        self,
        name: str = "",
        *,
        driver: str = "bridge",
        subnets: Iterable[str | Subnet] = (),
        ipv6: bool = False,
        internal: bool = False,
        dns: bool = True,
        dns_servers: Iterable[str] = (),
        interface: str = "",
        parent: str = "",
        mode: str = "",
        mtu: int = 0,
        metric: int = 0,
        bridge: BridgeOptions = USUAL,
        routes: Iterable[Route] = (),
        labels: Mapping[str, str] | None = None,
        exist_ok: bool = False,
    ) -> NetworkInfo:
        """Make one, with a made-up name without `name`.

        driver: bridge, macvlan or ipvlan.  subnets: 10.90.0.0/24, fd00::/64 …, () lets the engine
        choose; ipv6: it chooses one of IPv6 too.  internal: no way out, and none in.  dns:
        containers find each other by their names; dns_servers: who answers for other names, ()
        for the host's.  interface: the bridge's name; parent, mode: of macvlan and ipvlan.
        bridge: what a bridge does otherwise.  metric: of the default route.  routes: of its
        containers, beside the default one.  exist_ok: one that is there is no error.
        Raises Conflict when the name or a subnet is taken, InvalidArgument.
        """
        request = NetworkRequest(
            name=name,
            driver=driver,
            subnets=tuple(Subnet(s) if isinstance(s, str) else s for s in options.several(subnets)),
            ipv6=ipv6,
            internal=internal,
            dns=dns,
            dns_servers=options.texts(dns_servers, "dns_servers"),
            interface=interface,
            parent=parent,
            mode=mode,
            mtu=mtu,
            metric=metric,
            bridge=bridge,
            routes=tuple(routes),
            labels=options.by_key(labels, "labels"),
        )
        made = self._worker.call("networks.create", request, exist_ok=exist_ok)
        return expect(NetworkInfo, made)

    def get(self, name: str) -> NetworkInfo:
        """What is known of the network of this name or id.  Raises NotFound."""
        return expect(NetworkInfo, self._worker.call("networks.inspect", name))

    def exists(self, name: str) -> bool:
        """Whether there is one."""
        return expect(bool, self._worker.call("networks.exists", name))

    def list(self, filters: Filters = ()) -> tuple[NetworkInfo, ...]:
        """All of them; filters: KEY=VALUE as of `network ls --filter`."""
        found = self._worker.call("networks.infos", options.filters(filters))
        return tuple(values.every(NetworkInfo, found))

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove one; force: the containers that have it too.

        Raises NotFound, Conflict when a container has it.
        """
        self._worker.call("networks.remove", name, force=force)

    def prune(self, filters: Filters = (), *, dry_run: bool = False) -> Pruned:
        """Remove those that no container has.

        dry_run: nothing is removed, the answer is what would be.
        """
        done = self._worker.call("networks.prune", options.filters(filters), dry_run=dry_run)
        return expect(Pruned, done)

    def connect(
        self,
        name: str,
        container: str,
        *,
        ip: str = "",
        ip6: str = "",
        mac: str = "",
        aliases: Iterable[str] = (),
        links: Mapping[str, str] | None = None,
    ) -> None:
        """Connect a container, by its name or id; one that runs, at once.

        links: others on the network, and what this one calls them.  Raises NotFound, Conflict when
        it is connected, an address is taken, or a linked one does not run.
        """
        join = Join(name, ip=ip, ip6=ip6, mac=mac, aliases=options.texts(aliases, "aliases"))
        linked = tuple(options.by_key(links, "links").items())
        self._worker.call("networks.connect", name, container, join, linked)

    def disconnect(self, name: str, container: str, *, force: bool = False) -> None:
        """Disconnect a container; force: that it is not connected is no error.

        Raises NotFound.
        """
        self._worker.call("networks.disconnect", name, container, force=force)

    def update(
        self, name: str, *, dns_add: Iterable[str] = (), dns_drop: Iterable[str] = ()
    ) -> NetworkInfo:
        """Change its name servers; containers that run on it ask them at once."""
        self._worker.call(
            "networks.update",
            name,
            dns_add=options.texts(dns_add, "dns_add"),
            dns_drop=options.texts(dns_drop, "dns_drop"),
        )
        return self.get(name)
