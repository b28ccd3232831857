"""Networks: made, looked at, joined by containers and left, removed."""

from __future__ import annotations

from crun_py import events, jsonfile, notices, state
from crun_py.errors import Conflict, CrunpyError, InvalidArgument, NotFound
from crun_py.model.network import Join, Network, NetworkInfo, NetworkRequest, PortMapping
from crun_py.net import attach, attached, config, connection, etc, ipam, reconnect
from crun_py.paths import private_dir
from crun_py.record import from_json, replaced, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from crun_py.documents import container as documents
    from crun_py.engine.context import Context
    from crun_py.model.pruned import Pruned
    from crun_py.paths import Paths
    from crun_py.state import Container

CALLS = ("create", "exists", "names", "inspect", "infos", "remove", "prune", "connect",
         "disconnect", "update", "publish", "unpublish")  # fmt: skip


def create(context: Context, request: NetworkRequest, *, exist_ok: bool = False) -> NetworkInfo:
    """Make a network, with a made-up name without one; exist_ok: one that is there is no error.

    Nothing of the host is touched before a container joins it.  Raises Conflict, InvalidArgument.
    """
    asked = request if request.name else replaced(request, name=_free_name(context.paths))
    if exist_ok and exists(context, asked.name):
        return inspect(context, asked.name)
    context.enter()
    made = config.create(context.paths, asked, exist_ok=exist_ok)
    events.network(context.paths, "create", made)
    return NetworkInfo(network=made)


def _free_name(paths: Paths) -> str:
    taken = {network.name for network in config.every(paths)}
    return next(name for n in range(1, len(taken) + 2) if (name := f"crunpy{n}") not in taken)


def exists(context: Context, name: str) -> bool:
    """Whether there is a network of this name, id or beginning of an id."""
    try:
        config.resolve(context.paths, name)
    except NotFound:
        return False
    return True


def _lock(paths: Paths) -> jsonfile.Lock:
    private_dir(paths.networks)
    return jsonfile.Lock(paths.networks + "/.lock")


def names(context: Context) -> tuple[str, ...]:
    """The names of all networks, in order."""
    return tuple(network.name for network in _every(context))


def _every(context: Context) -> list[Network]:
    """The networks; the default one is always there."""
    found = config.every(context.paths)
    if not any(network.name == config.DEFAULT for network in found):
        context.enter()
        config.load(context.paths)
        found = config.every(context.paths)
    return found


def inspect(context: Context, name: str) -> NetworkInfo:
    """What is known of a network.  Raises NotFound, InvalidArgument."""
    network = config.resolve(context.paths, name)
    return NetworkInfo(network=network, containers=attached.endpoints(context.paths, network.name))


def infos(context: Context, filters: Sequence[str] = ()) -> tuple[NetworkInfo, ...]:
    """All networks, or those that `filters` (KEY=VALUE, as `network ls` takes them) mean.

    Raises InvalidArgument.
    """
    from crun_py.show import network_list

    wanted = network_list.Filters(context.paths, [*filters])
    return tuple(
        NetworkInfo(network=network, containers=attached.endpoints(context.paths, network.name))
        for network in _every(context)
        if wanted.match(network)
    )


def users(paths: Paths, name: str) -> list[Container]:
    """The containers that ask for a network, running or not."""
    return [container for container in state.every(paths) if name in container.networks]


def remove(context: Context, name: str, *, force: bool = False) -> str:
    """Remove a network; its name.

    force: the containers that ask for it are removed first.  Raises NotFound, Conflict when one
    has it, InvalidArgument for the default network.
    """
    from crun_py.container import ending

    context.enter()
    network = config.resolve(context.paths, name)
    if network.name == config.DEFAULT:
        raise InvalidArgument(f"removing network {network.name!r}: it is the default network")
    while True:
        # without our lock, for which a container that just starts waits with its own
        for container in users(context.paths, network.name) if force else ():
            ending.remove(container, force=True)
        with _lock(context.paths):
            left = users(context.paths, network.name)
            if not left:
                _remove(context, network)
                return network.name
        if not force:
            raise Conflict(
                f"removing network {network.name!r}: container {left[0].name} has it",
                hint=f"crunpy rm {left[0].name}, or network rm --force",
            )


def _remove(context: Context, network: Network) -> None:
    if not context.rootless:
        try:
            attach.driver_of(network.kind).remove(network)
        except OSError as e:
            raise CrunpyError.from_os(f"removing network {network.name!r}", e) from e
    config.remove(context.paths, network.name)
    ipam.forget(context.paths, network.name)
    events.network(context.paths, "destroy", network)


def prune(
    context: Context,
    filters: Sequence[str] = (),
    *,
    dry_run: bool = False,
    gone: Collection[str] = (),
) -> Pruned:
    """Remove the networks that no container asks for, but the default one.

    filters: until=, label=, label!=.  dry_run: nothing is removed, the answer is what would be.
    gone: ids of containers that would be gone before.  Raises InvalidArgument.
    """
    from crun_py.container import prune as pruning
    from crun_py.model.pruned import Pruned

    wanted = pruning.parse(filters)
    context.enter()
    if dry_run:
        found = _unused(context, wanted, gone)
        return Pruned(names=tuple(network.name for network in found))
    with _lock(context.paths):
        found = _unused(context, wanted)
        for network in found:
            _remove(context, network)
    return Pruned(names=tuple(network.name for network in found))


def _unused(
    context: Context, wanted: tuple[int, list[tuple[bool, str]]], gone: Collection[str] = ()
) -> list[Network]:
    """The networks that fit (`container.prune.fits`) and that no container, none of `gone`, asks
    for."""
    from crun_py.container import prune as pruning

    left = [container for container in state.every(context.paths) if container.id not in gone]
    used = {name for container in left for name in container.networks}
    return [
        network
        for network in config.every(context.paths)
        if network.name not in used
        and network.name != config.DEFAULT
        and pruning.fits(network.created, network.labels, wanted)
    ]


# ---- containers ----


def connect(
    context: Context,
    name: str,
    container_name: str,
    join: Join | None = None,
    links: Sequence[tuple[str, str]] = (),
) -> None:
    """Connect a container to a network; one that runs, at once.

    join: what it asks of the network.  links: (container, alias), others on it that this one knows
    by a further name.  Raises NotFound, Conflict when it is connected, an address is taken, or it
    runs and a linked one does not.
    """
    container = state.find(context.paths, container_name)
    network = config.resolve(context.paths, name)
    asked = config.checked(
        context.paths, replaced(join or Join(network.name), network=network.name)
    )
    _changeable(context, container, network.name)
    with container.lock():
        container.reload()
        if network.name in container.networks:
            raise Conflict(f"container {container.name} is connected to {network.name!r} already")
        status = container.status()
        linked = _linked(container, network, links, running=status.running)
        if status.running:
            reconnect.add(container, status.pid, asked)
            ports = container.record["network"]["ports"]
            _publish_again(container, [from_json(PortMapping, port) for port in ports])
        joins = [*container.record["network"]["networks"], to_json(asked)]
        _rewrite(container, joins, [*container.record["links"], *linked])
    if status.running:
        _tell(context, container)
    events.network(context.paths, "connect", network, container.id)


def _linked(
    container: Container, network: Network, links: Sequence[tuple[str, str]], *, running: bool
) -> list[documents.Link]:
    if not links:
        return []
    from crun_py.container import links as linking

    chosen = linking.chosen(container.paths, tuple(links), network.name)
    for link in chosen:
        other = state.load(container.paths, link["id"])
        if network.name not in other.networks:
            raise Conflict(f"linking container {other.name}: it is not on {network.name!r}")
        if running and not other.status().running:
            raise Conflict(f"linking container {other.name}: it is not running")
    return chosen


def _publish_again(container: Container, wanted: Sequence[PortMapping]) -> None:
    """What was given up when it left the network on which that was."""
    if not wanted or any(attachment.ports for attachment in attached.of(container)):
        return
    from crun_py.net import publish as publishing

    try:
        publishing.add(container, wanted)
    except CrunpyError as e:  # a network that does not lead out, or somebody else has them
        notices.warn(f"container {container.name}: {e.line()}")


def disconnect(context: Context, name: str, container_name: str, *, force: bool = False) -> None:
    """Disconnect a container from a network; one that runs, at once.

    force: that it is not connected, or that there is no such container, is no error.
    Raises NotFound.
    """
    try:
        container = state.find(context.paths, container_name)
        network = config.resolve(context.paths, name)
    except NotFound:
        if force:
            return
        raise
    _changeable(context, container, network.name)
    with container.lock():
        container.reload()
        if network.name not in container.networks:
            if force:
                return
            raise NotFound(f"container {container.name} is not connected to {network.name!r}")
        status = container.status()
        if status.running:
            _publish_again(container, reconnect.take(container, status.pid, network.name))
        joins = container.record["network"]["networks"]
        left = [join for join in joins if join["network"] != network.name]
        _rewrite(container, left, _links_on(container, {join["network"] for join in left}))
    if status.running:
        _tell(context, container)
    events.network(context.paths, "disconnect", network, container.id)


def publish(context: Context, name: str, ports: Sequence[PortMapping]) -> tuple[PortMapping, ...]:
    """Publish more ports of a container, of one that runs at once; with the numbers that they got.

    Raises NotFound, Conflict when one is taken, InvalidArgument, Unsupported.
    """
    container = _publishing(context, name)
    with container.lock():
        container.reload()
        chosen = [*ports]
        if container.status().running:
            from crun_py.net import publish as running

            chosen = running.add(container, ports)
        kept = container.record["network"]["ports"]
        _republish(container, [*kept, *(to_json(port) for port in ports)])
    return tuple(chosen)


def unpublish(context: Context, name: str, ports: Sequence[PortMapping]) -> None:
    """Publish ports of a container no more, of one that runs at once: all that lead to the
    container's port, or only those of the host's port and address, where these are given.

    Raises NotFound for one that is not published.
    """
    container = _publishing(context, name)
    with container.lock():
        container.reload()
        if container.status().running:
            from crun_py.net import publish as running

            running.remove(container, ports)
        kept = container.record["network"]["ports"]
        left = [one for one in kept if not any(_leads(one, port) for port in ports)]
        if left == kept:
            raise NotFound(f"ports of container {container.name}: none of these is published")
        _republish(container, left)


def _leads(one: documents.Port, asked: PortMapping) -> bool:
    same = (one["container_port"], one["protocol"]) == (asked.container_port, asked.protocol)
    host_port = asked.host_port in (0, one["host_port"]) or not one["host_port"]
    return same and host_port and asked.host_ip in ("", one["host_ip"])


def _publishing(context: Context, name: str) -> Container:
    """The container; we are ready to change what it publishes."""
    container = state.find(context.paths, name)
    status = container.status()
    context.join(status) if status.alive else context.enter()
    mode: str = container.record["network"]["mode"]
    if connection.is_alone(mode) and mode.partition(":")[0] not in connection.HELPERS:
        raise InvalidArgument(
            f"publishing ports of {container.name}: network mode {mode!r} publishes none"
        )
    return container


def _republish(container: Container, ports: list[documents.Port]) -> None:
    network: documents.Network = {**container.record["network"], "ports": ports}
    _write(container, network)


def _changeable(context: Context, container: Container, network: str) -> None:
    """Raises Conflict where a container's networks are not its own; else we are ready."""
    status = container.status()
    context.join(status) if status.alive else context.enter()
    mode: str = container.record["network"]["mode"]
    if connection.is_alone(mode):
        raise Conflict(
            f"network {network!r}: container {container.name} has network mode {mode!r}",
            hint="it must be created with a network of its own",
        )


def _links_on(container: Container, networks: set[str]) -> list[documents.Link]:
    """The links of a container to those that share one of the networks with it."""
    if not container.record["links"]:
        return []
    from crun_py.container import links

    return [link for link, other in links.present(container) if networks & {*other.networks}]


def _rewrite(
    container: Container, joins: list[documents.Join], links: list[documents.Link]
) -> None:
    """Write the record anew with other networks and links."""
    _write(container, {**container.record["network"], "networks": joins}, links)


def _write(
    container: Container, network: documents.Network, links: list[documents.Link] | None = None
) -> None:
    kept = container.record["links"] if links is None else links
    record: documents.Record = {**container.record, "network": network, "links": kept}
    jsonfile.write(container.directory + "/container.json", record)
    container.record = record


def _tell(context: Context, container: Container) -> None:
    """Write a running container's /etc/hosts and resolv.conf anew."""
    from crun_py.container import links

    hosts = links.resolve(container, rootless=context.rootless)[0]
    etc.write(container, reconnect.present(container), hosts)


def update(
    context: Context,
    name: str,
    *,
    dns_add: Sequence[str] = (),
    dns_drop: Sequence[str] = (),
) -> Network:
    """Change the name servers of a network; containers that run on it ask them at once.

    Raises NotFound, InvalidArgument.
    """
    from crun_py.net import ip
    from crun_py.net import names as known

    context.enter()
    for server in (*dns_add, *dns_drop):
        ip.packed(server)
    with _lock(context.paths):
        network = config.resolve(context.paths, name)
        if not network.dns:
            raise InvalidArgument(f"network {network.name!r}: it has no DNS to change")
        kept = [server for server in network.dns_servers if server not in dns_drop]
        kept += [server for server in dns_add if server not in kept]
        changed = replaced(network, dns_servers=tuple(kept))
        config.write(context.paths, changed)
        known.servers(context.paths, changed)
    return changed
