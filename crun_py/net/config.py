"""Networks: what is on disk about each, one JSON file per network in the store.

The network `bridge` is made when it is first used.  A store in another place than the
default one gets interface names, an nftables table and subnets of its own, derived from its
path, so that stores side by side do not meet.
"""

from __future__ import annotations

import errno
import os

from crun_py import jsonfile
from crun_py.errors import Conflict, CorruptState, CrunpyError, InvalidArgument, NotFound
from crun_py.net import ipv4
from crun_py.paths import Paths, private_dir

DEFAULT = "bridge"
DEFAULT_ROOT = "/var/lib/crunpy"
RESERVED = ("host", "none", "container", "default", "private", "pasta", "slirp4netns", "ns")
"""Words that --network understands as something else than a network's name."""

_SCHEMA = 1


class Network:
    """One network as it is on disk.

    subnet is "10.88.0.0/16", gateway the host's own address in it, interface the bridge,
    table the nftables table of the store, mtu in bytes (0: the kernel's choice).
    """

    __slots__ = (
        "created",
        "driver",
        "gateway",
        "id",
        "interface",
        "labels",
        "mtu",
        "name",
        "subnet",
        "table",
    )

    def __init__(
        self,
        name: str,
        network_id: str,
        subnet: str,
        gateway: str,
        interface: str,
        table: str,
        mtu: int = 0,
        labels: dict[str, str] | None = None,
        created: str = "",
        driver: str = "bridge",
    ) -> None:
        self.name = name
        self.id = network_id
        self.driver = driver
        self.subnet = subnet
        self.gateway = gateway
        self.interface = interface
        self.table = table
        self.mtu = mtu
        self.labels = labels or {}
        self.created = created

    def as_dict(self) -> dict[str, object]:
        """The JSON object of this network."""
        return {"schema": _SCHEMA, **{key: getattr(self, key) for key in self.__slots__}}

    @classmethod
    def from_dict(cls, value: dict[str, object]) -> Network:
        """The network of a JSON object.  Raises KeyError or TypeError when it is not one."""
        if value["schema"] != _SCHEMA:
            raise TypeError("unknown schema version")
        network = cls.__new__(cls)
        for key in cls.__slots__:
            setattr(network, key, value[key])
        return network


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
    """The network `name`; `bridge` is made if absent.  Raises NotFound, CorruptState."""
    check_name(name)
    file = f"{paths.networks}/{name}.json"
    try:
        return Network.from_dict(jsonfile.read(file))
    except FileNotFoundError:
        if name == DEFAULT:
            return create(paths, name, exist_ok=True)
        raise NotFound(
            f"no network {name!r}", hint="known: bridge, host, none, container:NAME"
        ) from None
    except (KeyError, TypeError) as e:
        raise CorruptState(f"reading {file}: not a network: {e}") from e


def every(paths: Paths) -> list[Network]:
    """The networks of the store by name; `bridge` is listed once it was used."""
    try:
        names = sorted(os.listdir(paths.networks))
    except FileNotFoundError:
        return []
    except OSError as e:
        raise CrunpyError.from_os(f"reading {paths.networks}", e) from e
    return [load(paths, n[:-5]) for n in names if n.endswith(".json") and n[0] != "."]


def create(
    paths: Paths,
    name: str,
    subnet: str | None = None,
    gateway: str | None = None,
    mtu: int = 0,
    labels: dict[str, str] | None = None,
    exist_ok: bool = False,
) -> Network:
    """Write down a new network; interfaces are made when a container first joins it.

    subnet:  None picks one that neither a network of this store nor a route of the host uses.
    gateway: None takes the first address of the subnet.
    Raises Conflict when the name (unless exist_ok) or the subnet is taken, InvalidArgument.
    """
    check_name(name)
    if mtu and not 68 <= mtu <= 65535:
        raise InvalidArgument(f"mtu {mtu} is not between 68 and 65535")
    chosen = ipv4.parse_subnet(subnet) if subnet else None
    if chosen and chosen[1] > 29:
        raise InvalidArgument(f"subnet {subnet} has no room for containers")
    private_dir(paths.networks)
    with jsonfile.Lock(paths.networks + "/.lock"):
        there = every(paths)
        for network in there:
            if network.name == name:
                if exist_ok:
                    return network
                raise Conflict(f"network {name!r} exists already")
        used = [ipv4.parse_subnet(network.subnet) for network in there]
        if chosen and any(ipv4.overlap(chosen, other) for other in used):
            raise Conflict(f"subnet {subnet} overlaps that of another network")
        key = _store_key(paths)
        base, prefix = chosen or _free_subnet(name == DEFAULT, key, used)
        network = Network(
            name,
            os.urandom(32).hex(),
            f"{ipv4.text(base)}/{prefix}",
            _gateway(gateway, base, prefix),
            _free_interface(key, [network.interface for network in there]),
            f"crunpy_{key}" if key else "crunpy",
            mtu,
            labels,
            _now(),
        )
        jsonfile.write(f"{paths.networks}/{name}.json", network.as_dict())
        return network


def remove(paths: Paths, name: str) -> None:
    """Forget network `name`; the caller has seen that nobody uses it.  Raises NotFound."""
    check_name(name)
    try:
        os.unlink(f"{paths.networks}/{name}.json")
    except FileNotFoundError:
        raise NotFound(f"no network {name!r}") from None
    except OSError as e:
        raise CrunpyError.from_os(f"removing network {name!r}", e) from e


def _gateway(wanted: str | None, base: int, prefix: int) -> str:
    if wanted is None:
        return ipv4.text(base + 1)
    address = ipv4.parse(wanted)
    if not base < address < base + (1 << (32 - prefix)) - 1:
        raise InvalidArgument(f"gateway {wanted} is not a host address of the subnet")
    return ipv4.text(address)


def _now() -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _store_key(paths: Paths) -> str:
    """ "" for the default store, else six hexadecimal digits that stand for its path."""
    if paths.root == DEFAULT_ROOT:
        return ""
    import hashlib

    return hashlib.sha256(os.fsencode(os.path.realpath(paths.root))).hexdigest()[:6]


def _free_interface(key: str, taken: list[str]) -> str:
    """A name of at most 15 characters (IFNAMSIZ) for a bridge."""
    stem = f"cp{key}-" if key else "crunpy"
    number = 0
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


def _candidates(default: bool, key: str) -> list[tuple[int, int]]:
    """The subnets to try in order: /16 for the default network, /24 for others."""
    ten = 10 << 24
    spread = int(key, 16) if key else 0
    if default:
        first = 100 + spread % 100 if key else 88
        seconds = [first, *range(first + 1, 256), *range(64, first)]
        found = [(ten | n << 16, 16) for n in seconds]
    else:
        first = 200 + spread % 50 if key else 89
        seconds = [first, *range(first + 1, 256), *range(64, first)]
        found = [(ten | n << 16 | k << 8, 24) for n in seconds for k in range(256)]
    # where all of 10/8 is routed (a company's network), the other private ranges remain
    found += [(172 << 24 | n << 16, 16) for n in range(24, 32) if default]
    return found + [(192 << 24 | 168 << 16 | n << 8, 24) for n in range(100, 256)]


def _free_subnet(default: bool, key: str, used: list[tuple[int, int]]) -> tuple[int, int]:
    from crun_py.net import host

    taken = used + host.routes()
    for candidate in _candidates(default, key):
        if not any(ipv4.overlap(candidate, other) for other in taken):
            return candidate
    raise CrunpyError(
        "choosing a subnet: every private range is in use (" + os.strerror(errno.EADDRINUSE) + ")",
        hint="name one with --subnet",
    )
