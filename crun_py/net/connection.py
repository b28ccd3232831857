"""How a container gets its networks, as one call that every mode answers.

none          a new namespace with lo
host          the host's; no namespace
container:ID  another container's
ns:PATH       one that somebody else has made
pasta, slirp4netns  a user: by this program
bridge, NAME  root: networks, one interface for each; a user: the same in a hub (hub.py), but for
              the default network alone pasta or slirp4netns

Interfaces are eth0, eth1 … in the order in which the networks were asked for.  The default route
leads over the first network that is not internal; ports are published there.
"""

from __future__ import annotations

import os

from crun_py._native import check, lib
from crun_py.errors import Conflict, CrunpyError, InvalidArgument, Unsupported
from crun_py.model.network import Join, PortMapping
from crun_py.net import attached, config, ip
from crun_py.paths import in_user_namespace
from crun_py.record import from_json, replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from crun_py.model.network import Attachment, Network
    from crun_py.paths import Paths
    from crun_py.state import Container

    T = TypeVar("T")


class Connection:
    """What a container's start needs to know about its network.

    namespace:   descriptor of the namespace to join, None: none is joined.
    relays:       whereto connections to some of these are passed on: "ADDRESS PORT".
    held:         what stays open while the container lives, with keys (held.c): sockets that keep
                 published ports ours, and the hub.
    attachments: to each of its networks, in order.
    outward:     the host's own address, where a hub stands between it and the container.
    hub:         inode of the namespace that stands for the host, 0 for the host's.
    dns_sockets: where it asks for names, () if nobody answers; dns_servers: whom to ask for other
    names, () for the networks' or the host's.
    """

    __slots__ = ("attachments", "dns_servers", "dns_sockets", "held", "hub", "namespace", "outward",
                 "relays")  # fmt: skip

    def __init__(self, namespace: int | None = None) -> None:
        self.namespace = namespace
        self.held: dict[int, int] = {}
        self.attachments: tuple[Attachment, ...] = ()
        self.dns_sockets: tuple[int, ...] = ()
        self.dns_servers: tuple[str, ...] = ()
        self.hub = 0
        self.outward = ""
        self.relays: dict[int, str] = {}

    @property
    def host_address(self) -> str:
        """By which the container reaches the host, "" if it cannot."""
        return next((a.host_address or a.gateway for a in self.attachments), "")

    @property
    def dns(self) -> list[str]:
        """Name servers that the networks bring along."""
        return [server for a in self.attachments for server in a.dns]

    def descriptors(self) -> list[int]:
        """All that the helper must inherit."""
        joined = [] if self.namespace is None else [self.namespace]
        return [*self.held, *self.dns_sockets, *joined]

    def close(self) -> None:
        """Close our copies: the container runs, and its monitor has its own; or nothing came of
        it.  Who waited for the hub may have it now."""
        for fd in self.descriptors():
            os.close(fd)
        self.held, self.dns_sockets, self.namespace = {}, (), None
        if self.hub:
            from crun_py.net import hub

            hub.unlock()


HELPERS = ("pasta", "slirp4netns")


def is_alone(mode: str) -> bool:
    """Whether a word of --network is no network's name, so that no other one goes with it."""
    word, colon, _ = mode.partition(":")
    named = word in ("container", "ns") and bool(colon)
    return mode in ("none", "host") or named or word in HELPERS


def check_mode(mode: str, *, ports: bool) -> None:
    """Raises InvalidArgument when ports are published on another's network; without a network, or
    on the host's, they have no meaning and are let be, as Docker does.  Raises Unsupported for
    what only a plain user's container can have."""
    word, _, options = mode.partition(":")
    if word in HELPERS:
        if not in_user_namespace():
            raise Unsupported(
                f"network mode {mode!r}: root's containers have bridges", hint="--network bridge"
            )
        from crun_py.net import helper_options

        helper_options.parse(mode)
    if word == "ns" and not options.startswith("/"):
        raise InvalidArgument(f"network mode {mode!r}: ns:/PATH, of a network namespace")
    if ports and word in ("container", "ns"):
        raise InvalidArgument(
            f"publishing ports: network mode {mode!r} does not publish",
            hint="publish them on the container that owns the network",
        )


def connect(container: Container, *, rootless: bool, userns: int = -1) -> Connection:
    """Set up the networks of `container`; on an error nothing is left behind.

    userns: the user namespace that a new network namespace shall belong to, -1: ours.

    Raises CrunpyError, Conflict when a port is taken or the other container is not running.
    """
    network = container.record["network"]
    mode: str = network["mode"]
    if mode in ("none", "host"):
        return Connection()
    if mode.startswith("container:"):
        return _join(container.paths, mode.partition(":")[2])
    if mode.startswith("ns:"):
        return Connection(_opened(mode.partition(":")[2]))
    alone = rootless and not on_hub(container.networks)
    asked = [] if alone else joined(container)
    joins = [(join, config.load(container.paths, join.network)) for join in asked]
    ports = [from_json(PortMapping, p) for p in network["ports"]]
    networks = [network for _, network in joins]
    ports = asked_on(outward_network(networks), ports)
    validate(networks, ports)
    if userns >= 0:
        from crun_py.ns import idmap

        connection = Connection(idmap.new_netns(userns))
    else:
        try:
            connection = Connection(check(lib.crunpy_new_netns()))
        except OSError as e:
            raise CrunpyError.from_os("making a network namespace", e) from e
    try:
        if alone:
            _connect_user(container, connection, ports)
        elif rootless:
            _connect_hub(container, connection, joins, ports)
        else:
            _connect_all(container, connection, joins, ports)
    except BaseException:
        connection.close()
        raise
    return connection


def on_hub(networks: Sequence[str]) -> bool:
    """Whether a user's container on these networks is on the hub: the default network alone is its
    own."""
    return any(name != config.DEFAULT for name in networks)


def joined(container: Container) -> list[Join]:
    """What the container asks of its networks, in order."""
    return [from_json(Join, value) for value in container.record["network"]["networks"]]


def validate(networks: list[Network], ports: list[PortMapping]) -> None:
    """Raises what speaks against the networks, before anything of any is touched."""
    outward = outward_network(networks)
    for network in networks:
        from crun_py.net import attach

        driver = attach.driver_of(network.kind)
        driver.validate(network, ports if network is outward else ())


def asked_on(network: Network | None, ports: Sequence[PortMapping]) -> list[PortMapping]:
    """The ports as the network has them published: at its own address of the host, or where the
    host only routes, at none."""
    if not network:
        return [*ports]
    if network.only_routed:
        return [replaced(port, host_ip="", host_port=0, host_last=0) for port in ports]
    usual = network.bridge.host_ip
    return [replaced(port, host_ip=port.host_ip or usual) for port in ports] if usual else [*ports]


def outward_network(networks: list[Network]) -> Network | None:
    """The one of a container's networks that its ports are published on: the first bridge that is
    not internal."""
    return next((network for network in networks if network.publishes), None)


def _connect_all(
    container: Container,
    connection: Connection,
    joins: list[tuple[Join, Network]],
    ports: list[PortMapping],
) -> None:
    outward = outward_network([network for _, network in joins])
    on_host = bool(ports) and not (outward and outward.only_routed)
    if on_host:
        from crun_py.net import ports as host_ports

        held, ports = host_ports.reserve(ports, container.paths)
        connection.held = dict(zip(held, map(host_ports.key, ports), strict=True))
    _attach_all(container, connection, joins, ports)
    if on_host:
        own = dict(zip(held, ports, strict=True))
        _relay(connection, {fd: p for fd, p in own.items() if host_ports.is_relayed(p)})
        _relay(connection, host_ports.relayed(ports))
    answer(container, connection, [network for _, network in joins])


def _connect_hub(
    container: Container,
    connection: Connection,
    joins: list[tuple[Join, Network]],
    ports: list[PortMapping],
) -> None:
    """As _connect_all, with the hub in the place of the host."""
    from crun_py.net import hub, inside, rootless

    paths = container.paths
    connection.outward = rootless.outward_address()
    hub.lock(paths)
    fd = hub.obtain(paths)
    connection.held[fd] = 0
    connection.hub = os.fstat(fd).st_ino
    own, chosen = hub.forward(paths, ports)
    connection.held.update(dict.fromkeys(own, 0))
    try:
        inside.run(fd, lambda: _attach_all(container, connection, joins, chosen))
        if chosen:
            from crun_py.net import ports as host_ports

            _relay(connection, {**own, **host_ports.relayed(chosen)})
        answer(container, connection, [network for _, network in joins])
    except BaseException:
        hub.leave(paths, container.id, chosen)
        raise


def _relay(connection: Connection, sockets: dict[int, PortMapping]) -> None:
    """What comes to these sockets, which listen, is passed on to the container, or to the port of
    the host by which it is reached."""
    from crun_py.net import ports as host_ports

    there = next((a for a in connection.attachments if a.ports), None)
    for fd, port in sockets.items():
        connection.held[fd] = host_ports.key(port)
        connection.relays[fd] = target(there, port) if there else ""


def target(there: Attachment, port: PortMapping) -> str:
    """ "ADDRESS PORT" by which this host (or the hub) reaches what is published there; with an "@"
    before it, by which it is reached from within the container."""
    if there.helper:
        return f"@{there.ip} {port.container_port}"
    if there.ip and port.host_ip == "" and not there.hub:
        return f"127.0.0.1 {port.host_port}"  # wherever NAT leads by then
    return f"{there.ip or there.ip6} {port.container_port}"


def _attach_all(
    container: Container,
    connection: Connection,
    joins: list[tuple[Join, Network]],
    ports: list[PortMapping],
) -> None:
    outward = outward_network([network for _, network in joins])
    try:
        for join, network in joins:
            own = ports if network is outward else []
            attach_one(container, connection, join, network, own)
    except BaseException:
        _detach_all(container.paths, connection.attachments, connection.namespace)
        raise


def answer(container: Container, connection: Connection, networks: list[Network]) -> None:
    """Somebody is to answer for names, where a network has such."""
    named = [network for network in networks if network.dns]
    if not named:
        return
    from crun_py.net import dns

    assert connection.namespace is not None
    served = {port["container_port"] for port in container.record["network"]["ports"]}
    exposed = {text.partition("/")[0] for text in container.record["config"]["exposed"]}
    aside = dns.PORT in served or str(dns.PORT) in exposed
    connection.dns_sockets = dns.sockets(connection.namespace, aside=aside)
    connection.dns_servers = dns.asked(container.record["network"]["dns"])


def attach_one(
    container: Container,
    connection: Connection,
    join: Join,
    network: Network,
    ports: list[PortMapping],
) -> Attachment:
    """Connect to one network; it is in network.json from before it is begun."""
    from crun_py.net import attach

    before = connection.attachments
    assert connection.namespace is not None
    if network.dns:
        from crun_py.net import names

    def note(made: Attachment) -> None:
        connection.attachments = (*before, made)
        attached.write(container.run_directory, connection.attachments)

    try:
        made = attach.setup(
            container.paths,
            network,
            join,
            container.id,
            connection.namespace,
            ports,
            hostname=container.record["hostname"],
            names=names.of(container, join) if network.dns else (),
            number=_number(before, network.bridge.prefix),
            place=_place(before),
            hub=connection.hub,
            host_address="" if network.internal else connection.outward,
            default=_undecided(before) if network.leads_out else (),
            alive=lambda other: os.path.isdir(container.paths.run_container(other)),
            note=note,
        )
    except BaseException:
        connection.attachments = before
        attached.write(container.run_directory, before)
        raise
    if network.dns:
        names.add(container.paths, made, network)
    return made


def _number(attachments: Sequence[Attachment], prefix: str) -> int:
    """The number of the next interface."""
    taken = {attachment.interface for attachment in attachments}
    return next(n for n in range(len(taken) + 1) if f"{prefix}{n}" not in taken)


def _place(attachments: Sequence[Attachment]) -> int:
    """What tells the host's end of the next interface from the others (attach.setup)."""
    taken = {attachment.host_interface.partition("-")[2] or "0" for attachment in attachments}
    return next(n for n in range(len(taken) + 1) if str(n) not in taken)


def _undecided(attachments: Sequence[Attachment]) -> tuple[int, ...]:
    """The families that have no default route yet."""
    decided = {ip.IPv4: any(a.gateway for a in attachments),
               ip.IPv6: any(a.gateway6 for a in attachments)}  # fmt: skip
    return tuple(width for width, there in decided.items() if not there)


def passed_on(mode: str, ports: Sequence[PortMapping]) -> list[PortMapping]:
    """Those that the monitor passes on, beside pasta or slirp4netns (a network mode): they know
    IPv4 alone, and it may be wanted (port_handler=)."""
    every = False
    if mode.startswith("slirp4netns:"):
        from crun_py.net import helper_options

        every = helper_options.parse(mode).passes_on
    return [port for port in ports if port.protocol == "tcp" and (every or ":" in port.host_ip)]


def _connect_user(container: Container, connection: Connection, ports: list[PortMapping]) -> None:
    from crun_py.net import ports as host_ports
    from crun_py.net import rootless

    assert connection.namespace is not None
    mode = container.record["network"]["mode"]
    ours = passed_on(mode, ports)
    held, own = host_ports.reserve(ours, container.paths)
    connection.held.update(dict.fromkeys(held, 0))
    for fd in held:
        host_ports.listen(fd)
    started = rootless.start(
        connection.namespace,
        [port for port in ports if port not in ours],
        container.run_directory,
        container.paths,
        mode=mode,
    )
    try:
        started = replaced(started, ports=(*started.ports, *own))
        attached.write(container.run_directory, (started,))
    except BaseException:
        rootless.stop(started)  # nobody else would know of it
        raise
    connection.attachments = (started,)
    relayed = dict(zip(held, own, strict=True))
    relayed |= host_ports.relayed(own)
    if started.helper == "slirp4netns":  # pasta listens there itself
        relayed |= host_ports.relayed(started.ports)
    _relay(connection, relayed)


def _join(paths: Paths, container_id: str) -> Connection:
    from crun_py import state

    other = state.load(paths, container_id)
    status = other.status()
    if not status.running:
        raise Conflict(
            f"joining the network of container {other.name}: it is not running",
            hint=f"crunpy start {other.name}",
        )
    path = f"/proc/{status.pid}/ns/net"
    return Connection(os.open(path, os.O_RDONLY | os.O_CLOEXEC))


_NS_GET_NSTYPE = 0xB703
_CLONE_NEWNET = 0x40000000


def _opened(path: str) -> int:
    """A descriptor of the network namespace at `path` (ip-netns(8)).  Raises InvalidArgument."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as e:
        raise InvalidArgument.from_os(f"network namespace {path}", e) from e
    try:
        if fcntl.ioctl(fd, _NS_GET_NSTYPE) == _CLONE_NEWNET:
            return fd
    except OSError:
        pass  # no namespace at all: the same words
    os.close(fd)
    raise InvalidArgument(f"network namespace {path}: it is none")


def disconnect(container: Container) -> None:
    """Undo `connect` for a container that has ended.  May be called again.

    Raises CrunpyError after doing all it can.
    """
    try:
        found = attached.read(container.run_directory)
    except FileNotFoundError:
        # a container whose record is lost has none
        if container.record.get("network"):
            from crun_py.net import ipam

            for join in joined(container):  # its start was killed early
                ipam.release(container.paths, join.network, container.id)
        return
    detach(container, found)


def detach(
    container: Container, attachments: Sequence[Attachment], netns_fd: int | None = None
) -> None:
    """Undo attachments, on the hub if they are there; the last first.

    netns_fd: the container's namespace, if it goes on; else that ends with it, and the kernel
    removes the interfaces."""
    if not any(attachment.hub for attachment in attachments):
        _detach_all(container.paths, attachments, netns_fd)
        return
    from crun_py.net import hub, inside

    with hub.Locked(container.paths):
        fd = hub.find(container.paths)
        try:
            if fd < 0:  # it is gone, or nobody of ours has it: what was in it has no effect
                _detach_all(container.paths, attachments, None, host=False)
            else:
                inside.run(fd, lambda: _detach_all(container.paths, attachments, netns_fd))
        finally:
            if fd >= 0:
                os.close(fd)
            ports = [port for attachment in attachments for port in attachment.ports]
            hub.leave(container.paths, container.id if netns_fd is None else "", ports)


def _detach_all(
    paths: Paths,
    attachments: Sequence[Attachment],
    netns_fd: int | None,
    *,
    host: bool = True,
) -> None:
    """The errors of all are raised together."""
    errors: list[CrunpyError] = []
    for attachment in reversed(attachments):
        try:
            if attachment.helper:
                from crun_py.net import rootless

                rootless.stop(attachment)
            else:
                _detach_one(paths, attachment, -1 if netns_fd is None else netns_fd, host)
        except CrunpyError as e:
            errors.append(e)
    if len(errors) > 1:
        raise CrunpyError("; ".join(e.message for e in errors), hint=errors[0].hint)
    if errors:
        raise errors[0]


def _detach_one(paths: Paths, attachment: Attachment, netns_fd: int, host: bool) -> None:
    from crun_py.net import attach

    if attachment.aliases:
        from crun_py.net import names

        names.remove(paths, attachment.container_id, attachment.network)
    attach.teardown(paths, attachment, netns_fd=netns_fd, host=host)
