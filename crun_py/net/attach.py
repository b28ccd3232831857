"""Connecting a container's network namespace to one network, and undoing it.

    setup      addresses, the interface and what is inside of it, published ports
    publish    what somebody else took from the host's side, again
    teardown   the same in reverse; goes on after an error and may be called again

Which steps the host's side takes is the driver's (driver.py).
"""

from __future__ import annotations

import errno

from crun_py import jsonfile, notices
from crun_py.errors import CrunpyError, NotFound
from crun_py.model.network import Attachment
from crun_py.net import config, inside, ip, ipam
from crun_py.net.bridge import Bridge, hardware
from crun_py.net.driver import Driver
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crun_py.model.network import Join, Network, PortMapping
    from crun_py.paths import Paths


def driver_of(name: str) -> Driver:
    """The driver of this name."""
    if name == "bridge":
        return Bridge()
    if name == "unmanaged":
        from crun_py.net.unmanaged import Unmanaged

        return Unmanaged()
    from crun_py.net.shared_link import SharedLink

    return SharedLink()


def setup(
    paths: Paths,
    network: Network,
    join: Join,
    container_id: str,
    netns_fd: int,
    ports: Sequence[PortMapping] = (),
    *,
    hostname: str = "",
    names: tuple[str, ...] = (),
    number: int = 0,
    place: int = 0,
    hub: int = 0,
    host_address: str = "",
    default: tuple[int, ...] = (ip.IPv4, ip.IPv6),
    alive: Callable[[str], bool] | None = None,
    note: Callable[[Attachment], None] = lambda attachment: None,
) -> Attachment:
    """Connect the network namespace `netns_fd` of `container_id` to `network`, as `join` says.

    ports:   already reserved (ports.reserve), so every host_port is a number.
    names:   by which the network's other containers find it.
    number:  of the interface: eth0, eth1 … (or the network's prefix), unless `join` names it.
    place:   another one for each of the container's interfaces.
    hub, host_address: see Attachment; we are in the hub.
    default: the families whose default route leads over this network.
    alive:   see ipam.allocate.
    note:    is given what will be made, before it is: who comes after a kill can take it down.
    Raises CrunpyError; nothing is left behind then.
    """
    mac = join.mac and ip.check_mac(join.mac)
    addresses = _addresses(paths, network, join, container_id, alive)
    if not mac and network.driver != "ipvlan":
        mac = hardware(str(addresses.get("ip") or addresses["ip6"])).hex(":")
    attachment = Attachment(
        driver=network.kind,
        network=network.name,
        container_id=container_id,
        hostname=hostname,
        interface=join.interface or f"{network.bridge.prefix}{number}",
        host_interface=f"veth{container_id[:8]}" + (f"-{place}" if place else ""),
        mac=mac,
        table=network.table,
        aliases=names,
        ports=tuple(ports),
        hub=hub,
        host_address=host_address,
        link_local=join.link_local,
        routed=network.bridge.routed,
    )
    attachment = replaced(attachment, **addresses)
    try:
        note(attachment)
        driver = driver_of(network.kind)
        with inside.socket(netns_fd) as sock:
            _link(driver, paths, network, attachment, netns_fd)
            inside.configure(sock, netns_fd, network, attachment, join, default=default)
        if ports:
            driver.publish(paths, network, attachment)
    except BaseException as e:
        _undo(paths, attachment, netns_fd, getattr(e, "errno", 0))
        if isinstance(e, OSError):
            raise CrunpyError.from_os(f"connecting to network {network.name!r}", e) from e
        raise
    return attachment


def _link(
    driver: Driver, paths: Paths, network: Network, attachment: Attachment, netns_fd: int
) -> None:
    """Make the interface and tables while nobody removes the network, or they would stay for ever;
    later the container's record keeps it.  Raises NotFound when the network is gone."""
    if network.name == config.DEFAULT:  # nobody can remove it
        driver.link(paths, network, attachment, netns_fd)
        return
    with jsonfile.Lock(paths.networks + "/.lock", shared=True):
        # one of this name that was made meanwhile has another interface
        if not config.is_there(paths, network):
            raise NotFound(
                f"connecting to network {network.name!r}: it was removed just now",
                hint="crunpy network ls lists them",
            )
        driver.link(paths, network, attachment, netns_fd)


def _addresses(
    paths: Paths,
    network: Network,
    join: Join,
    container_id: str,
    alive: Callable[[str], bool] | None,
) -> dict[str, str | int]:
    """The fields of an Attachment that are addresses, one of each family that the network has."""
    found: dict[str, str | int] = {}
    try:
        for subnet in network.subnets:
            base, prefix, width = ip.subnet(subnet.subnet)
            end, wanted = ("", join.ip) if width == ip.IPv4 else ("6", join.ip6)
            if "ip" + end in found:
                continue  # one of each family is enough
            if wanted and not ip.contains((base, prefix, width), wanted):
                others = [ip.subnet(s.subnet) for s in network.subnets]
                if any(ip.contains(other, wanted) for other in others):
                    continue
            address = ipam.allocate(
                paths, network, container_id, wanted or None, alive, subnet=subnet
            )
            gateway = subnet.gateway if network.leads_out else ""
            found |= {"ip" + end: address, "prefix" + end: prefix, "gateway" + end: gateway}
    except BaseException:
        ipam.release(paths, network.name, container_id)
        raise
    return found


def _undo(paths: Paths, attachment: Attachment, netns_fd: int, error: int) -> None:
    """Tear down after a failed setup, whose error (its number) matters more than those met here."""
    try:
        teardown(paths, attachment, netns_fd=netns_fd)
    except CrunpyError as e:
        # the next command that cleans up the container comes back to it; who may change nothing
        # has left nothing
        if not e.errno == error == errno.EPERM:
            notices.warn(e.line())


def publish(paths: Paths, attachment: Attachment) -> None:
    """Publish the ports of a running container again, after the host's tables were flushed."""
    network = config.load(paths, attachment.network)
    driver_of(attachment.driver).publish(paths, network, attachment)


def teardown(
    paths: Paths, attachment: Attachment, *, netns_fd: int = -1, host: bool = True
) -> None:
    """Undo `setup`.  What is gone already is no error; others are raised together at the end.

    netns_fd: the container's network namespace, if that goes on without the interface.  Else the
    kernel deletes it, soon after the last reference to the namespace is dropped, without anybody
    waiting; by hand it takes 20 to 60 ms, for the kernel waits for RCU (rcu_barrier) then.
    host: False where what stood for the host (hub.py) is gone, with all that was in it.
    """
    driver = driver_of(attachment.driver) if host else Driver()
    steps: list[Callable[[], None]] = [lambda: driver.unpublish(paths, attachment)]
    if netns_fd >= 0:
        steps.append(lambda: driver.unlink(attachment, netns_fd))
    steps.append(lambda: driver.unlinked(attachment))
    steps.append(lambda: ipam.release(paths, attachment.network, attachment.container_id))
    errors: list[str] = []
    numbers: set[int] = set()
    for step in steps:
        try:
            step()
        except (CrunpyError, OSError) as e:
            errors.append(e.message if isinstance(e, CrunpyError) else str(e))
            numbers.add(e.errno or 0)
    if errors:
        raise CrunpyError(
            f"disconnecting from network {attachment.network!r}: " + "; ".join(errors),
            hint="`crunpy rm -f` tries it again",
            errno=numbers.pop() if len(numbers) == 1 else 0,
        )
