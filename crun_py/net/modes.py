"""--network: how a container gets its network, as one call that every mode answers.

none          a new namespace with lo
host          the host's; no namespace
container:ID  another container's
bridge, NAME  root: a bridge network; a user: pasta or slirp4netns
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py._native import check, lib
from crun_py.errors import Conflict, CrunpyError, InvalidArgument
from crun_py.model.container import PortMapping
from crun_py.net import files
from crun_py.record import from_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import Network
    from crun_py.paths import Paths
    from crun_py.state import Container


class Connection:
    """What a container's start needs to know about its network.

    namespace:    descriptor of the namespace to join, None: none is joined.
    held:         sockets that keep published ports ours while the container lives.
    state:        for `disconnect`, JSON; {} when there is nothing to undo.
    address:      the container's own, "" without one.
    host_address: by which it reaches the host, "" if it cannot.
    dns:          name servers that the network brings along.
    """

    __slots__ = ("address", "dns", "held", "host_address", "namespace", "state")

    def __init__(self, namespace: int | None = None) -> None:
        self.namespace = namespace
        self.held: list[int] = []
        self.state: dict[str, object] = {}
        self.address = ""
        self.host_address = ""
        self.dns: list[str] = []

    def descriptors(self) -> list[int]:
        """All that the helper must inherit."""
        return self.held + ([] if self.namespace is None else [self.namespace])

    def close(self) -> None:
        """Close our copies."""
        for fd in self.descriptors():
            os.close(fd)
        self.held, self.namespace = [], None


def check_mode(mode: str, *, ports: bool) -> None:
    """Raises InvalidArgument when ports are published on another container's network; without a
    network, or on the host's, they have no meaning and are let be, as Docker does."""
    if ports and mode.startswith("container:"):
        raise InvalidArgument(
            f"publishing ports: network mode {mode!r} does not publish",
            hint="publish them on the container that owns the network",
        )


def connect(container: Container, *, rootless: bool, userns: int = -1) -> Connection:
    """Set up the network of `container`; on an error nothing is left behind.

    userns: the user namespace that a new network namespace shall belong to, -1: ours.

    Raises CrunpyError, Conflict when a port is taken or the other container is not running.
    """
    network = container.record["network"]
    mode: str = network["mode"]
    if mode in ("none", "host"):
        return Connection()
    if mode.startswith("container:"):
        return _join(container.paths, mode.partition(":")[2])
    ports = [from_json(PortMapping, p) for p in network["ports"]]
    if userns >= 0:
        from crun_py.ns import idmap

        connection = Connection(idmap.new_netns(userns))
    else:
        connection = Connection(check(lib.crunpy_new_netns(), "unshare"))
    try:
        if rootless:
            _connect_user(container, connection, ports)
        else:
            _connect_bridge(container, connection, ports, network)
    except BaseException:
        connection.close()
        raise
    return connection


def _note(container: Container, connection: Connection, state: dict[str, object]) -> None:
    """Write down what `disconnect` undoes."""
    connection.state = state
    jsonfile.write(container.run_directory + "/network.json", state, durable=False)


def _connect_bridge(
    container: Container, connection: Connection, ports: list[PortMapping], network: Network
) -> None:
    from crun_py.net import bridge
    from crun_py.net import ports as host_ports

    assert connection.namespace is not None
    connection.held, ports = host_ports.reserve(ports)
    attachment = bridge.setup(
        container.paths,
        network["mode"],
        container.id,
        connection.namespace,
        ports,
        wanted_ip=network.get("ip") or None,
        mac=network.get("mac") or None,
        hostname=container.record["hostname"],
        alive=lambda other: os.path.isdir(container.paths.run_container(other)),
        note=lambda made: _note(
            container, connection, {"driver": "bridge", "attachment": made.as_dict()}
        ),
    )
    connection.address, connection.host_address = attachment.ip, attachment.gateway


def _connect_user(container: Container, connection: Connection, ports: list[PortMapping]) -> None:
    from crun_py.net import rootless

    assert connection.namespace is not None
    started = rootless.start(connection.namespace, ports, container.run_directory)
    try:
        _note(container, connection, {"driver": "rootless", "attachment": started})
    except BaseException:
        rootless.stop(started)  # nobody else would know of it
        raise
    connection.address = str(started.get("ip", ""))
    connection.host_address = str(started.get("host_address", ""))
    connection.dns = list(started.get("dns", []))


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


def disconnect(container: Container) -> None:
    """Undo `connect` for a container that has ended.  May be called again.

    Raises CrunpyError after doing all it can.
    """
    # a container whose record is lost has none
    mode = (container.record.get("network") or {"mode": "none"})["mode"]
    try:
        found = jsonfile.read(container.run_directory + "/network.json")
    except FileNotFoundError:
        if mode not in ("none", "host") and not mode.startswith("container:"):
            from crun_py.net import ipam

            ipam.release(container.paths, mode, container.id)  # its start was killed early
        return
    if found.get("driver") == "bridge":
        from crun_py.net import bridge

        # the namespace ended with the container: the kernel removes the veth pair with it
        bridge.teardown(container.paths, found["attachment"], delete_link=False)
    elif found.get("driver") == "rootless":
        from crun_py.net import rootless

        rootless.stop(found["attachment"])


def reload(container: Container) -> None:
    """For a container that runs, after somebody flushed the host's nftables rules: make those of
    its network, and publish its ports again.  A plain user's network needs none."""
    try:
        found = jsonfile.read(container.run_directory + "/network.json")
    except FileNotFoundError:
        return
    if found.get("driver") == "bridge":
        from crun_py.net import bridge

        bridge.publish(container.paths, found["attachment"])


def write_files(container: Container, connection: Connection, links: list[str]) -> None:
    """Write /etc/hosts, /etc/resolv.conf and /etc/hostname as this container sees them.

    links: further entries for hosts, as of --add-host.
    """
    record = container.record
    network, hostname = record["network"], record["hostname"]
    directory = container.directory
    owner = None
    if record["userns"]:
        from crun_py.ns.idmap import Ids

        owner = Ids(record["userns"]["uids"], record["userns"]["gids"]).outside(0, 0)
    if network["mode"].startswith("container:"):
        other = container.paths.container(network["mode"].partition(":")[2])
        for name in ("hosts", "resolv.conf"):
            _write(f"{directory}/{name}", jsonfile.read_bytes(f"{other}/{name}"), owner)
    else:
        own = connection.address or "127.0.1.1"
        names = [hostname, *([] if network["mode"] == "host" else network.get("aliases", []))]
        _write(
            directory + "/hosts",
            files.hosts([(own, names)], [*network["add_host"], *links], connection.host_address),
            owner,
        )
        _write(
            directory + "/resolv.conf",
            files.resolv_conf(
                _host_resolv_conf(),
                own_network=network["mode"] != "host",
                servers=network["dns"] or connection.dns,
                search=network["dns_search"],
                options=network["dns_option"],
            ),
            owner,
        )
    _write(directory + "/hostname", files.hostname(hostname), owner)


def _write(path: str, data: bytes, owner: tuple[int, int] | None) -> None:
    """In place: a bind mount of the file must go on showing it.  Readable by any user inside;
    owner: uid and gid of the container's root, where that is not ours."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(path, flags, 0o644)
        try:
            os.fchmod(fd, 0o644)
            if owner:
                os.fchown(fd, *owner)
            os.write(fd, data)
        finally:
            os.close(fd)
    except OSError as e:
        raise CrunpyError.from_os(f"writing {path}", e) from e


def _host_resolv_conf() -> bytes:
    """The host's resolv.conf; systemd-resolved's upstream servers instead of its stub."""
    try:
        data = jsonfile.read_bytes("/etc/resolv.conf")
    except FileNotFoundError:
        return b""
    if b"nameserver 127.0.0.53" in data:
        try:
            return jsonfile.read_bytes("/run/systemd/resolve/resolv.conf")
        except FileNotFoundError:
            return data
    return data
