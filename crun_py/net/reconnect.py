"""The networks of a container that runs: one more, one less, another name, its rules made again."""

from __future__ import annotations

import errno
import os

from crun_py.errors import Conflict, CrunpyError, NotFound
from crun_py.net import attached, config
from crun_py.net.connection import Connection, answer, attach_one, detach, joined, validate
from crun_py.paths import in_user_namespace
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from crun_py.model.network import Attachment, Join, Network, PortMapping
    from crun_py.state import Container

    T = TypeVar("T")


def add(container: Container, pid: int, join: Join) -> Attachment:
    """Connect a running container, whose first process is `pid`, to one more network.

    Raises Conflict, CrunpyError.
    """
    network = config.load(container.paths, join.network)
    connection = _running(container, pid)
    before = connection.attachments
    if any(attachment.helper for attachment in before):
        connection.close()
        raise Conflict(
            f"connecting {container.name} to network {network.name!r}: it runs on the default "
            "network alone, which is its own",
            hint=f"crunpy stop {container.name}, connect, start",
        )
    connection.hub = next((attachment.hub for attachment in before if attachment.hub), 0)
    if not before and in_user_namespace():
        from crun_py.net import hub

        connection.hub = hub.held_by(container.status())
    if connection.hub:
        from crun_py.net import hub, rootless

        connection.outward = rootless.outward_address()
        with hub.Locked(container.paths):  # its slirp4netns ends with the last attachment
            on_host(connection.hub, container, lambda: None, repair=True)
    try:
        validate([network], [])
        try:
            made = on_host(
                connection.hub,
                container,
                lambda: attach_one(container, connection, join, network, []),
            )
            _answer_late(container, connection, network)
            return made
        except BaseException:
            detach(container, connection.attachments[len(before) :], connection.namespace)
            attached.write(container.run_directory, before)
            raise
    finally:
        connection.close()


def _answer_late(container: Container, connection: Connection, network: Network) -> None:
    """A container whose first network with names this is has nobody yet who answers for them."""
    if not network.dns:
        return
    from crun_py import monitor
    from crun_py.net import names

    try:
        answer(container, connection, [network])
    except CrunpyError as e:
        if e.errno in (errno.EADDRINUSE, errno.EEXIST):  # somebody does
            return
        raise
    known = names.directory(container.paths)
    monitor.answer_names(
        container.run_directory, connection.dns_sockets, known, connection.dns_servers
    )


def on_host(inode: int, container: Container, act: Callable[[], T], *, repair: bool = False) -> T:
    """act() where the host's end of interfaces is: in the hub of this inode, if it is not 0.

    repair: under the hub's lock, start its slirp4netns if that has ended."""
    if not inode:
        return act()
    from crun_py.net import hub, inside

    fd = hub.find(container.paths)
    if fd < 0:
        fd = hub.open_held(container.status(), inode)
    if fd < 0:
        raise Conflict(f"changing the networks of container {container.name}: it has ended")
    try:
        if repair:
            hub.repair(container.paths, fd)
        return inside.run(fd, act)
    finally:
        os.close(fd)


def take(container: Container, pid: int, network: str) -> tuple[PortMapping, ...]:
    """Disconnect a running container from a network; the ports that are to be published anew.

    Raises NotFound, CrunpyError."""
    connection = _running(container, pid)
    try:
        found = connection.attachments
        gone = tuple(a for a in found if a.network == network)
        if not gone:
            raise NotFound(f"container {container.name} is not connected to network {network!r}")
        detach(container, gone, connection.namespace)
        left = tuple(a for a in found if a.network != network)
        attached.write(container.run_directory, left)
        _reroute(connection, found, left)
        if any(a.hub for a in gone) and not any(a.hub for a in left):
            from crun_py.net import hub

            with hub.Locked(container.paths):
                hub.leave(container.paths, container.id, ())
        if ports := tuple(port for attachment in gone for port in attachment.ports):
            return _move_ports(container, left, ports)
        return ()
    finally:
        connection.close()


def _reroute(
    connection: Connection, before: tuple[Attachment, ...], left: tuple[Attachment, ...]
) -> None:
    """Another network leads out now, if the one that did has gone."""
    from crun_py.net import inside, ip, netlink

    for gateways in (
        [(a, a.gateway) for a in before if a.gateway],
        [(a, a.gateway6) for a in before if a.gateway6],
    ):
        remaining = [pair for pair in gateways if pair[0] in left]
        if not remaining or gateways[0][0] in left:
            continue
        now, gateway = remaining[0]
        assert connection.namespace is not None
        with inside.socket(connection.namespace, ipv6=True) as sock:
            index = netlink.link_index(sock, now.interface)
            try:
                sock.do(netlink.route_add(ip.packed(gateway), index))
            except FileExistsError:
                continue  # somebody in the container was faster


def _move_ports(
    container: Container, left: tuple[Attachment, ...], ports: tuple[PortMapping, ...]
) -> tuple[PortMapping, ...]:
    """One of `left` answers on the ports from now on, if it can; those that are to be published
    there anew."""
    from crun_py import monitor
    from crun_py.net import attach
    from crun_py.net.ports import key

    paths = container.paths
    new = next((a for a in left if config.load(paths, a.network).publishes), None)
    if new is None or new.hub:  # whereto the monitor passes connections on is another address
        for port in ports:
            monitor.drop(container.run_directory, key(port))
        return ports if new else ()
    more = replaced(new, ports=ports)
    attach.publish(container.paths, more)
    now = [more if attachment == new else attachment for attachment in left]
    attached.write(container.run_directory, now)
    return ()


def _running(container: Container, pid: int) -> Connection:
    path = f"/proc/{pid}/ns/net"
    try:
        connection = Connection(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except (FileNotFoundError, ProcessLookupError):
        raise NotFound(
            f"opening the network of container {container.name}: it has just ended"
        ) from None
    except PermissionError:  # we are in the user namespace that it was in when we looked
        raise Conflict(
            f"opening the network of container {container.name}: it was started again meanwhile",
            hint="the same command once more",
        ) from None
    except OSError as e:
        raise CrunpyError.from_os(f"opening the network of {container.name}", e) from e
    try:
        connection.attachments = attached.read(container.run_directory)
    except FileNotFoundError:
        connection.attachments = ()  # it was on no network when it was started
    return connection


def present(container: Container) -> Connection:
    """How a running container is connected, for etc.write."""
    connection = Connection()
    connection.attachments = attached.of(container)
    return connection


def renamed(container: Container) -> None:
    """A running container has another name: its networks' other containers find it by that."""
    from crun_py.net import names

    before = attached.of(container)
    joins = {join.network: join for join in joined(container)}
    after = tuple(
        replaced(a, aliases=names.of(container, joins[a.network]))
        if a.aliases and a.network in joins
        else a
        for a in before
    )
    if after != before:
        attached.write(container.run_directory, after)
        for attachment in after:
            if attachment.aliases:
                network = config.load(container.paths, attachment.network)
                names.add(container.paths, attachment, network)


def reload(container: Container) -> None:
    """For a container that runs, after somebody flushed the host's nftables rules: make those of
    its networks, and publish its ports again.  A plain user's need none, but their slirp4netns
    may have ended."""
    from crun_py.net import attach

    try:
        found = attached.read(container.run_directory)
    except FileNotFoundError:
        return
    for attachment in found:
        if not attachment.helper and not attachment.hub:
            attach.publish(container.paths, attachment)
    if any(attachment.hub for attachment in found):
        from crun_py.net import hub

        with hub.Locked(container.paths):
            os.close(hub.obtain(container.paths))
