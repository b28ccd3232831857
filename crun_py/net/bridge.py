"""The bridge driver: connect a container's network namespace to a bridge of the host.

    setup      address, veth pair, the container's side of it, published ports
    publish    the port elements alone, for a table that somebody flushed
    teardown   the same in reverse; goes on after an error and may be called again
    remove     the bridge itself, when its network is removed

Runs in a process that is in the host's network namespace and has CAP_NET_ADMIN and, for
the container's, CAP_SYS_ADMIN.  What the host lacks (bridge, table, forwarding) is made by
the first `setup` that misses it, under a lock, and stays until reboot or `remove`.
"""

from __future__ import annotations

import _thread
import errno

from crun_py import jsonfile, notices
from crun_py._native import check, lib
from crun_py.errors import CrunpyError, Unsupported
from crun_py.model.container import PortMapping
from crun_py.net import config, ipam, ipv4, netlink, nft
from crun_py.net.config import Network
from crun_py.net.ports import entry
from crun_py.paths import Paths, private_dir
from crun_py.record import from_json, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CLONE_NEWNET = 0x40000000


class Attachment:
    """How a container is connected to a network; what `teardown` needs to undo it.

    host_interface is the host's end of the veth pair, interface the container's; ip and
    gateway are dotted, prefix is the subnet's length in bits, mac is "02:c5:…".
    """

    __slots__ = (
        "container_id",
        "gateway",
        "host_interface",
        "hostname",
        "interface",
        "ip",
        "mac",
        "network",
        "ports",
        "prefix",
        "table",
    )

    def __init__(
        self,
        network: str,
        container_id: str,
        hostname: str,
        interface: str,
        host_interface: str,
        ip: str,
        prefix: int,
        gateway: str,
        mac: str,
        table: str,
        ports: list[PortMapping],
    ) -> None:
        self.network = network
        self.container_id = container_id
        self.hostname = hostname
        self.interface = interface
        self.host_interface = host_interface
        self.ip = ip
        self.prefix = prefix
        self.gateway = gateway
        self.mac = mac
        self.table = table
        self.ports = ports

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        value: dict[str, object] = {key: getattr(self, key) for key in self.__slots__}
        value["ports"] = [to_json(port) for port in self.ports]
        return value

    @classmethod
    def from_dict(cls, value: dict[str, object]) -> Attachment:
        """The reverse of `as_dict`."""
        attachment = cls.__new__(cls)
        for key in cls.__slots__:
            setattr(attachment, key, value[key])
        attachment.ports = [from_json(PortMapping, port) for port in attachment.ports]
        return attachment


def setup(
    paths: Paths,
    network: str,
    container_id: str,
    netns_fd: int,
    ports: list[PortMapping],
    wanted_ip: str | None = None,
    mac: str | None = None,
    hostname: str = "",
    interface: str = "eth0",
    alive: Callable[[str], bool] | None = None,
    note: Callable[[Attachment], None] = lambda attachment: None,
) -> Attachment:
    """Connect the network namespace `netns_fd` of `container_id` to `network`.

    ports:  already reserved (ports.reserve), so every host_port is a number.
    mac:    as ipv4.check_mac takes it; None derives one from the address, so that a reused
            address keeps its neighbours.
    alive:  see ipam.allocate.
    note:   is given what will be made, before it is: who comes after a kill can take it down.
    Raises CrunpyError; nothing is left behind then.
    """
    found = config.load(paths, network)
    hardware = bytes.fromhex(ipv4.check_mac(mac).replace(":", "")) if mac else b""
    ip = ipam.allocate(paths, found, container_id, wanted_ip, alive)
    hardware = hardware or b"\x02\xc5" + ipv4.packed(ip)
    attachment = Attachment(
        network,
        container_id,
        hostname,
        interface,
        _host_interface(container_id, interface),
        ip,
        int(found.subnet.partition("/")[2]),
        found.gateway,
        hardware.hex(":"),
        found.table,
        ports,
    )
    try:
        note(attachment)
        _connect(paths, found, attachment, netns_fd, hardware)
    except OSError as e:
        _undo(paths, attachment)
        raise CrunpyError.from_os(f"connecting to network {network!r}", e) from e
    except BaseException:
        _undo(paths, attachment)
        raise
    return attachment


def _undo(paths: Paths, attachment: Attachment) -> None:
    """Tear down after a failed setup, whose error matters more than those met here."""
    try:
        teardown(paths, attachment.as_dict())
    except CrunpyError as e:
        # the next command that cleans up the container comes back to it
        notices.warn(e.line())


def _connect(
    paths: Paths, network: Network, attachment: Attachment, netns_fd: int, mac: bytes
) -> None:
    inside = socket_inside(netns_fd)
    with netlink.Socket() as sock, inside, nft.socket() as filter_sock:
        if not nft.has_bridge(filter_sock, network.table, network.interface):
            _ensure(paths, network, sock, filter_sock)
        try:
            bridge = netlink.link_index(sock, network.interface)
        except OSError as e:
            if e.errno != errno.ENODEV:
                raise
            bridge = _ensure(paths, network, sock, filter_sock)
        add = (
            netlink.veth_add(
                attachment.host_interface,
                attachment.interface,
                netns_fd,
                bridge,
                mac,
                network.mtu,
            ),
            netlink.port_hairpin(attachment.host_interface),
        )
        try:
            sock.do(*add)
        except FileExistsError:  # left by a container of this id that crashed
            sock.do(netlink.link_delete(attachment.host_interface))
            sock.do(*add)
        index = netlink.link_index(inside, attachment.interface)
        outcomes = inside.run(
            netlink.link_up(1),
            netlink.address_add(index, ipv4.packed(attachment.ip), attachment.prefix),
            netlink.link_up(index),
            netlink.route_add_default(ipv4.packed(network.gateway), index),
        )
        # a second network of the container finds the first one's default route
        second = attachment.interface != "eth0"
        for outcome in outcomes:
            if outcome and not (second and outcome.errno == errno.EEXIST):
                raise outcome
        if attachment.ports:
            _publish(paths, attachment, filter_sock)


def publish(paths: Paths, attachment: dict[str, object]) -> None:
    """Publish the ports of a running container again, after its table was flushed."""
    found = Attachment.from_dict(attachment)
    network = config.load(paths, found.network)
    with netlink.Socket() as sock, nft.socket() as filter_sock:
        if not nft.has_bridge(filter_sock, network.table, network.interface):
            _ensure(paths, network, sock, filter_sock)
        if found.ports:
            _publish(paths, found, filter_sock)


def _publish(paths: Paths, attachment: Attachment, filter_sock: netlink.Socket) -> None:
    entries = [entry(port, attachment.ip) for port in attachment.ports]
    with jsonfile.Lock(ipam.directory(paths) + "/.ports.lock"):
        nft.publish(filter_sock, attachment.table, entries)


def teardown(paths: Paths, attachment: dict[str, object], delete_link: bool = True) -> None:
    """Undo `setup`.  What is gone already is no error; others are raised together at the end.

    delete_link: False leaves the veth pair to the kernel, which deletes it soon after the
    last reference to the container's network namespace is dropped, without anybody waiting;
    to delete it by hand takes 20 to 60 ms, for the kernel waits for RCU (rcu_barrier) then.
    """
    found = Attachment.from_dict(attachment)
    errors: list[str] = []
    for step in (_unpublish, _delete_link, _release) if delete_link else (_unpublish, _release):
        try:
            step(paths, found)
        except CrunpyError as e:
            errors.append(e.message)
        except OSError as e:
            errors.append(str(e))
    if errors:
        raise CrunpyError(
            f"disconnecting from network {found.network!r}: " + "; ".join(errors),
            hint="`crunpy rm -f` tries it again",
        )


def _unpublish(paths: Paths, attachment: Attachment) -> None:
    if not attachment.ports:
        return
    entries = [entry(port, attachment.ip) for port in attachment.ports]
    private_dir(ipam.directory(paths))
    with jsonfile.Lock(ipam.directory(paths) + "/.ports.lock"), nft.socket() as sock:
        nft.unpublish(sock, attachment.table, entries)


def _delete_link(paths: Paths, attachment: Attachment) -> None:
    with netlink.Socket() as sock:
        try:
            sock.do(netlink.link_delete(attachment.host_interface))
        except OSError as e:
            if e.errno != errno.ENODEV:
                raise


def _release(paths: Paths, attachment: Attachment) -> None:
    ipam.release(paths, attachment.network, attachment.container_id)


def remove(network: Network) -> None:
    """Delete the host's side of `network`; the caller has seen that nobody uses it."""
    from crun_py.net import host

    host.remove_link(network.interface)
    with nft.socket() as filter_sock:
        nft.remove_bridge(filter_sock, network.table, network.interface, network.subnet)


def _host_interface(container_id: str, interface: str) -> str:
    """The name of the host's end, at most 15 characters (IFNAMSIZ)."""
    return "veth" + container_id[:8] + ("" if interface == "eth0" else "-" + interface[-2:])


def socket_inside(netns_fd: int, ipv6: bool = False) -> netlink.Socket:
    """A netlink socket that belongs to the network namespace `netns_fd`.  Raises OSError.

    Unless `ipv6`, turns it off there for interfaces to come: a bridge network has none, and a
    router advertisement of a neighbour would reroute the container (CVE-2020-13401).
    """
    made: list[netlink.Socket] = []
    failed: list[BaseException] = []
    done = _thread.allocate_lock()

    # in a thread, which ends there: from inside a user namespace there is no way back
    def enter() -> None:
        try:
            check(lib.crunpy_setns(netns_fd, _CLONE_NEWNET), "setns")
            if not ipv6:
                _sysctl("ipv6/conf/default/disable_ipv6", "1", absent_ok=True)
            made.append(netlink.Socket())
        except BaseException as e:
            failed.append(e)
        finally:
            done.release()

    done.acquire()
    try:
        _thread.start_new_thread(enter, ())
    except RuntimeError as e:
        raise CrunpyError(f"entering the network namespace: {e}", errno=errno.EAGAIN) from e
    done.acquire()
    if failed:
        raise failed[0]
    return made[0]


def _ensure(
    paths: Paths, network: Network, sock: netlink.Socket, filter_sock: netlink.Socket
) -> int:
    """Make what the host lacks for `network`; the index of its bridge.

    The table's entry comes last: who sees it may rely on the rest.
    """
    private_dir(ipam.directory(paths))
    with jsonfile.Lock(ipam.directory(paths) + "/.host.lock"):
        if nft.has_bridge(filter_sock, network.table, network.interface):
            try:
                return netlink.link_index(sock, network.interface)  # made while we waited
            except OSError as e:
                if e.errno != errno.ENODEV:
                    raise
        from crun_py.net import host

        prefix = ipv4.parse_subnet(network.subnet)[1]
        # a bridge without a MAC of its own takes its lowest port's, and neighbours would lose
        # it when that container ends
        mac = (b"\x02\xc5" + ipv4.packed(network.gateway)).hex(":")
        index = host.make_bridge(network.interface, mac, network.mtu, network.gateway, prefix)
        # IPv6 off: else the host would believe router advertisements of containers
        _sysctl(f"ipv6/conf/{network.interface}/disable_ipv6", "1", absent_ok=True)
        # lets 127.0.0.1:PORT reach a container; the table's chain `raw` keeps the way back shut
        _sysctl(f"ipv4/conf/{network.interface}/route_localnet", "1")
        _sysctl("ipv4/ip_forward", "1")
        if not nft.has_bridge(filter_sock, network.table, network.interface):
            nft.add_bridge(filter_sock, network.table, network.interface, network.subnet)
        return index


def _sysctl(name: str, value: str, absent_ok: bool = False) -> None:
    """Set /proc/sys/net/NAME of the current network namespace, unless it has the value."""
    path = "/proc/sys/net/" + name
    try:
        with open(path, encoding="ascii") as f:
            if f.read().strip() == value:
                return
        with open(path, "w", encoding="ascii") as f:
            f.write(value)
    except FileNotFoundError:
        if not absent_ok:
            raise
    except OSError as e:
        raise Unsupported.from_os(
            f"writing {value} to {path}",
            e,
            hint=f"set it from outside: sysctl -w net.{name.replace('/', '.')}={value}",
        ) from e
