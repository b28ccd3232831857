"""Networks: what is on disk about each, one JSON file per network in the store.

The network `bridge` is made when it is first used.  A store in another place than the
default one gets interface names, an nftables table and subnets of its own, derived from its
path, so that stores side by side do not meet.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.clock import now
from crun_py.errors import Conflict, CorruptState, CrunpyError, InvalidArgument, NotFound
from crun_py.model.network import DRIVERS, USUAL, Join, Network, NetworkRequest, Subnet
from crun_py.net import ip
from crun_py.net.files import is_name
from crun_py.paths import Paths, private_dir
from crun_py.record import from_json, replaced, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = "bridge"
DEFAULT_ROOT = "/var/lib/crunpy"
RESERVED = ("host", "none", "container", "default", "private", "pasta", "slirp4netns", "ns")
"""Words that --network understands as something else than a network's name."""

_SCHEMA = 2


def check_name(name: str) -> None:
    """Raises InvalidArgument unless `name` can be a network's (so also a file's) name."""
    plain = name.replace("_", "").replace(".", "").replace("-", "")
    if not (plain.isalnum() and name.isascii() and name[0].isalnum() and len(name) <= 128):
        raise InvalidArgument(
            f"network name {name!r} is not valid",
            hint="letters, digits, '_', '.' and '-', beginning with a letter or digit",
        )
    if name in RESERVED:
        raise InvalidArgument(f"network name {name!r} has a meaning of its own for --network")


def load(paths: Paths, name: str = DEFAULT) -> Network:
    """The network `name`; `bridge` is made if absent (or only decided, paths.looking).

    Raises NotFound, CorruptState."""
    check_name(name)
    try:
        return _read(paths, name)
    except FileNotFoundError:
        if name == DEFAULT and paths.looking:
            return decided(paths, NetworkRequest(name=name), every(paths))
        if name == DEFAULT:
            return create(paths, NetworkRequest(name=name), exist_ok=True)
        raise NotFound(f"no network {name!r}", hint="crunpy network ls lists them") from None


def _read(paths: Paths, name: str) -> Network:
    file = f"{paths.networks}/{name}.json"
    value = jsonfile.read(file)
    try:
        if value["schema"] == 1:  # one subnet of IPv4, and no more
            value["subnets"] = [{"subnet": value["subnet"], "gateway": value["gateway"]}]
        elif value["schema"] != _SCHEMA:
            raise TypeError("unknown schema version")
        return from_json(Network, value)
    except (KeyError, TypeError, InvalidArgument) as e:
        raise CorruptState(f"reading {file}: not a network: {e}") from e


def is_there(paths: Paths, network: Network) -> bool:
    """Whether this very network is still in the store, and not another one of its name.

    Raises CorruptState."""
    try:
        return _read(paths, network.name).id == network.id
    except FileNotFoundError:
        return False


def resolve(paths: Paths, text: str) -> Network:
    """The network that a name, an id or the unique beginning of an id means.

    Raises NotFound, InvalidArgument when several ids begin so.
    """
    try:
        return load(paths, text)
    except (NotFound, InvalidArgument):
        found = [n for n in every(paths) if text and n.id.startswith(text)]
        if len(found) == 1:
            return found[0]
        if found:
            raise InvalidArgument(f"network id {text}: {len(found)} networks begin so") from None
        if text in RESERVED:
            raise
        raise NotFound(f"no network {text!r}", hint="crunpy network ls lists them") from None


def every(paths: Paths) -> list[Network]:
    """The networks of the store by name; `bridge` is listed once it was used."""
    try:
        names = sorted(os.listdir(paths.networks))
    except FileNotFoundError:
        return []
    except OSError as e:
        raise CrunpyError.from_os(f"reading {paths.networks}", e) from e
    found = []
    for name in names:
        if name.endswith(".json") and name[0] != ".":
            try:
                found.append(_read(paths, name[:-5]))
            except FileNotFoundError:
                continue  # removed just now
    return found


def create(paths: Paths, request: NetworkRequest, *, exist_ok: bool = False) -> Network:
    """Write down a new network; interfaces are made when a container first joins it.

    Subnets that are not given are chosen so that neither a network of this store nor a route of
    the host uses them.  Raises Conflict when the name (unless exist_ok), a subnet or the interface
    is taken, InvalidArgument.
    """
    name = request.name
    check_name(name)
    _checked(request)
    private_dir(paths.networks)
    with jsonfile.Lock(paths.networks + "/.lock"):
        there = every(paths)
        for network in there:
            if network.name == name:
                if exist_ok:
                    return network
                raise Conflict(f"network {name!r} exists already")
        network = decided(paths, request, there)
        write(paths, network)
        return network


def decided(paths: Paths, request: NetworkRequest, there: list[Network]) -> Network:
    """What a new network beside those that are `there` is to be; nothing is made.

    Raises Conflict for a subnet or an interface that is taken, InvalidArgument."""
    subnets = _checked(request)
    used = [ip.subnet(s.subnet) for network in there for s in network.subnets]
    own = _hosts(request, subnets)
    for subnet in subnets:
        if any(ip.overlap(ip.subnet(subnet.subnet), other) for other in used):
            raise Conflict(f"subnet {subnet.subnet} overlaps that of another network")
        if any(ip.overlap(ip.subnet(subnet.subnet), other) for other in own):
            raise Conflict(f"subnet {subnet.subnet}: the host has an address of it")
    key = _store_key(paths)
    return Network(
        name=request.name,
        id=os.urandom(32).hex(),
        created=now(),
        table=table(paths),
        driver=request.driver,
        subnets=(*subnets, *_chosen(request, subnets, key, used)),
        interface=_interface(request, key, there),
        internal=request.internal,
        dns=request.dns and request.name != DEFAULT,
        dns_servers=request.dns_servers,
        parent=request.parent,
        mode=request.mode,
        mtu=request.mtu,
        metric=request.metric,
        routes=request.routes,
        labels=request.labels,
        bridge=request.bridge,
        options=request.options,
    )


def write(paths: Paths, network: Network) -> None:
    """Write a network's file; the caller holds `networks/.lock` if others may change it."""
    value = {"schema": _SCHEMA, **to_json(network)}
    jsonfile.write(f"{paths.networks}/{network.name}.json", value)


def remove(paths: Paths, name: str) -> None:
    """Forget network `name`; the caller has seen that nobody uses it.  Raises NotFound."""
    check_name(name)
    try:
        os.unlink(f"{paths.networks}/{name}.json")
    except FileNotFoundError:
        raise NotFound(f"no network {name!r}") from None
    except OSError as e:
        raise CrunpyError.from_os(f"removing network {name!r}", e) from e


# ---- what may be asked ----


def checked(paths: Paths, join: Join) -> Join:
    """What a container asks of a network, in its usual form.

    Raises NotFound, InvalidArgument for what the network cannot give to anybody.
    """
    network = load(paths, join.network)
    for wanted, width in ((join.ip, ip.IPv4), (join.ip6, ip.IPv6)):
        if not wanted:
            continue
        if ip.width(wanted) != width:
            raise InvalidArgument(f"address {wanted}: not one of IPv{4 if width == ip.IPv4 else 6}")
        ip.packed(wanted)
        if not any(ip.contains(ip.subnet(s.subnet), wanted) for s in network.subnets):
            known = ", ".join(subnet.subnet for subnet in network.subnets)
            raise InvalidArgument(
                f"address {wanted} cannot be used in network {network.name!r} ({known})"
            )
    for address in join.link_local:
        if not ip.contains((0xA9FE0000, 16, ip.IPv4), address):
            raise InvalidArgument(f"link-local address {address}: not in 169.254.0.0/16")
    for alias in join.aliases:  # one with a line break would be a line of somebody else's
        if not is_name(alias):
            raise InvalidArgument(f"network alias {alias!r}: not a host name")
    if join.mac:
        if network.driver == "ipvlan":
            raise InvalidArgument(f"network {network.name!r}: ipvlan has its parent's MAC address")
        ip.check_mac(join.mac)
    if join.interface:
        check_interface(join.interface)
    return replaced(
        join,
        ip=join.ip and ip.text(ip.number(join.ip)),
        ip6=join.ip6 and ip.text(ip.number(join.ip6), ip.IPv6),
    )


def _checked(request: NetworkRequest) -> list[Subnet]:
    """The subnets that were asked for, with their gateways.  Raises InvalidArgument."""
    if request.mtu and not 68 <= request.mtu <= 65535:
        raise InvalidArgument(f"mtu {request.mtu} is not between 68 and 65535")
    if request.mtu and request.mtu < 1280 and (request.ipv6 or _asks_ipv6(request)):
        raise InvalidArgument(f"mtu {request.mtu}: IPv6 needs at least 1280")
    if request.driver != "bridge" or request.mode or request.parent:
        _check_driver(request)
    if request.bridge != USUAL:
        _check_bridge(request)
    for server in request.dns_servers:
        ip.packed(server)
    for route in request.routes:
        ip.subnet(route.destination)
        if ip.width(route.destination) != ip.width(route.gateway):
            raise InvalidArgument(f"route {route.destination} over {route.gateway}: two families")
        ip.packed(route.gateway)
        inside = (s for s in request.subnets if ip.width(s.subnet) == ip.width(route.gateway))
        given = [ip.subnet(s.subnet) for s in inside]
        if given and not any(ip.contains(subnet, route.gateway) for subnet in given):
            raise InvalidArgument(
                f"route {route.destination}: gateway {route.gateway} is in no subnet of the network"
            )
    found: list[Subnet] = []
    for asked in request.subnets:
        subnet = ip.subnet(asked.subnet)
        if subnet[1] > subnet[2] - 3:
            raise InvalidArgument(f"subnet {asked.subnet} has no room for containers")
        if any(ip.overlap(subnet, ip.subnet(bad)) for bad in _NOT_FOR_CONTAINERS
               if ip.width(bad) == subnet[2]):  # fmt: skip
            raise InvalidArgument(f"subnet {asked.subnet} is not for hosts")
        if any(ip.overlap(subnet, ip.subnet(other.subnet)) for other in found):
            raise InvalidArgument(f"subnet {asked.subnet} overlaps another one of the network")
        found.append(
            Subnet(
                ip.written(subnet),
                _gateway(request, asked.gateway, subnet),
                first=_within(asked.first, subnet),
                last=_within(asked.last, subnet),
            )
        )
    return found


_NOT_FOR_CONTAINERS = ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/16", "fe80::/10", "ff00::/8")
"""This host itself, groups, and what is kept for other uses (RFC 6890)."""


def _hosts(request: NetworkRequest, subnets: list[Subnet]) -> list[tuple[int, int, int]]:
    """The subnets that the host itself is on, for a bridge."""
    if not subnets or request.driver != "bridge" or not request.bridge.managed:
        return []
    from crun_py.net import netlink

    with netlink.Socket() as sock:
        found = netlink.addresses(sock)
    hosts = []
    for _, address, prefix in found:
        width = 8 * len(address)
        whole = int.from_bytes(address, "big")
        hosts.append((whole >> width - prefix << width - prefix, prefix, width))
    return hosts


def _check_driver(request: NetworkRequest) -> None:
    from crun_py.net import shared_link  # its modes

    driver, modes = request.driver, shared_link.MODES.get(request.driver, {})
    if driver not in DRIVERS:
        raise InvalidArgument(f"network driver {driver!r}: not known", hint=", ".join(DRIVERS))
    if request.mode and request.mode not in modes:
        known = ", ".join(modes) or f"driver {driver} has no modes"
        raise InvalidArgument(f"network mode {request.mode!r}: not known", hint=known)
    if request.parent and driver == "bridge":
        raise InvalidArgument(f"parent {request.parent!r}: a bridge has none")


def _check_bridge(request: NetworkRequest) -> None:
    asked = request.bridge
    if request.driver != "bridge":
        raise InvalidArgument(f"options of a bridge: driver {request.driver} has none")
    if not 0 <= asked.vlan <= 4094:
        raise InvalidArgument(f"vlan {asked.vlan} is not between 1 and 4094")
    if not asked.managed and not request.interface:
        raise InvalidArgument("a bridge of the host's own: which one?", hint="--interface-name")
    for family in asked.routed:
        if family not in ("ipv4", "ipv6"):
            raise InvalidArgument(f"routed family {family!r}: ipv4 or ipv6")
    if asked.host_ip:
        ip.packed(asked.host_ip)
    check_interface(asked.prefix + "0")


def _asks_ipv6(request: NetworkRequest) -> bool:
    return any(":" in subnet.subnet for subnet in request.subnets)


def _gateway(request: NetworkRequest, wanted: str, subnet: tuple[int, int, int]) -> str:
    base, _, width = subnet
    if not wanted:
        # who shares an interface of the host has the gateway of the host's network there
        return (
            ip.text(base + 1, width) if request.driver == "bridge" or not request.internal else ""
        )
    highest = ip.last(subnet) - (width == ip.IPv4)
    if not ip.contains(subnet, wanted) or not base < ip.number(wanted) <= highest:
        raise InvalidArgument(f"gateway {wanted} is not a host address of the subnet")
    return ip.text(ip.number(wanted), width)


def _within(address: str, subnet: tuple[int, int, int]) -> str:
    if not address:
        return ""
    if not ip.contains(subnet, address):
        raise InvalidArgument(f"address range: {address} is not in subnet {ip.written(subnet)}")
    return ip.text(ip.number(address), subnet[2])


# ---- what is chosen ----


def table(paths: Paths) -> str:
    """The name of the store's nftables tables."""
    key = _store_key(paths)
    return f"crunpy_{key}" if key else "crunpy"


def _store_key(paths: Paths) -> str:
    """ "" for the default store, else six hexadecimal digits that stand for its path."""
    if paths.root == DEFAULT_ROOT:
        return ""
    import hashlib

    return hashlib.sha256(os.fsencode(os.path.realpath(paths.root))).hexdigest()[:6]


def _interface(request: NetworkRequest, key: str, there: list[Network]) -> str:
    """The name of the bridge, at most 15 characters (IFNAMSIZ); "" for another driver."""
    if request.driver != "bridge":
        return ""
    taken = {network.interface: network.name for network in there}
    wanted = request.interface
    if wanted:
        check_interface(wanted)
        if not request.bridge.managed:
            return wanted
        if wanted in taken:
            raise Conflict(f"interface {wanted}: network {taken[wanted]!r} has it")
        from crun_py.net import netlink

        with netlink.Socket() as sock:
            if wanted in netlink.links(sock):
                raise Conflict(f"interface {wanted}: the host has one of this name")
        return wanted
    stem = f"cp{key}-" if key else "crunpy"
    number = 0
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


def check_interface(name: str) -> None:
    """Raises InvalidArgument unless an interface can have this name (dev_valid_name in the
    kernel)."""
    bad = any(c in "/:" or c.isspace() or not c.isprintable() for c in name)
    if not 0 < len(os.fsencode(name)) < 16 or bad or name in (".", "..", "lo"):
        raise InvalidArgument(
            f"interface name {name!r} is not valid", hint="at most 15 characters, no / : or space"
        )


def _parts(pools: tuple[tuple[str, int], ...]) -> Iterator[tuple[int, int, int]]:
    for text, size in pools:
        base, prefix, width = ip.subnet(text)
        for n in range(1 << size - prefix):
            yield base + (n << width - size), size, width


def _candidates(default: bool, key: str) -> list[tuple[int, int, int]]:
    """The subnets to try in order: /16 for the default network, /24 for others."""
    ten = 10 << 24
    spread = int(key, 16) if key else 0
    if default:
        first = 100 + spread % 100 if key else 88
        seconds = [first, *range(first + 1, 256), *range(64, first)]
        found = [(ten | n << 16, 16, ip.IPv4) for n in seconds]
    else:
        first = 200 + spread % 50 if key else 89
        seconds = [first, *range(first + 1, 256), *range(64, first)]
        found = [(ten | n << 16 | k << 8, 24, ip.IPv4) for n in seconds for k in range(256)]
    # where all of 10/8 is routed (a company's network), the other private ranges remain
    found += [(172 << 24 | n << 16, 16, ip.IPv4) for n in range(24, 32) if default]
    return found + [(192 << 24 | 168 << 16 | n << 8, 24, ip.IPv4) for n in range(100, 256)]


def _chosen(
    request: NetworkRequest, given: list[Subnet], key: str, used: list[tuple[int, int, int]]
) -> list[Subnet]:
    """The subnets that were not given: one of IPv4 if there is none at all, and of IPv6 if it is
    asked for."""
    found = []
    if all(":" in subnet.subnet for subnet in given) and (request.ipv6 or not given):
        from crun_py.net import host

        taken = used + host.routes()
        default = request.name == DEFAULT
        wanted = _parts(request.pools) if request.pools else _candidates(default, key)
        free = (c for c in wanted if _is_free(c, taken))
        found.append(next(free, None))
    if request.ipv6 and not _asks_ipv6(request):
        # RFC 4193: a random prefix of one's own does not meet others
        base = 0xFD << 120 | int.from_bytes(os.urandom(5), "big") << 80
        found.append((base | int.from_bytes(os.urandom(2), "big") << 64, 64, ip.IPv6))
    chosen = []
    for subnet in found:
        if subnet is None:
            raise Conflict(
                "choosing a subnet: every private range is in use", hint="name one with --subnet"
            )
        chosen.append(Subnet(ip.written(subnet), _gateway(request, "", subnet)))
    return chosen


def _is_free(candidate: tuple[int, int, int], taken: list[tuple[int, int, int]]) -> bool:
    return not any(ip.overlap(candidate, other) for other in taken)
