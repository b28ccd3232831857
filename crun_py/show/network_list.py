"""Networks as `network ls` and `network inspect` show them (Engine API, NetworkInspect; and
podman's names beside docker's)."""

from __future__ import annotations

from crun_py import clock, state
from crun_py.errors import InvalidArgument
from crun_py.filters import label_matches, parse
from crun_py.model.network import NetworkInfo
from crun_py.net import attached, config
from crun_py.record import to_json, without_empty
from crun_py.show.listing import Labels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.network import Network, Subnet
    from crun_py.paths import Paths

FILTERS = ["id", "name", "label", "label!", "driver", "scope", "type", "dangling", "until"]
_BUILT_IN = ("host", "none")
"""docker lists them as networks; nothing on disk is behind them."""
_NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time."""


_PLAIN: dict[str, object] = {
    "ID": "",
    "Scope": "local",
    "IPv4": "true",
    "IPv6": "false",
    "Internal": "false",
    "CreatedAt": "",
    "Created": "",
    "NetworkInterface": "",
    "Subnets": [],
    "DNSEnabled": False,
    "IPv6Enabled": False,
    "IPAMOptions": {},
    "Options": {},
}
"""What a row says of them."""


class Filters:
    """Which networks a listing shows.  Raises InvalidArgument."""

    def __init__(self, paths: Paths, texts: list[str]) -> None:
        self._wanted = parse(texts, FILTERS)
        self._points = [clock.parse_point(v) for v in self._wanted.get("until", [])]
        for value in self._wanted.get("dangling", []):
            if value.lower() not in ("true", "false", "1", "0"):
                raise InvalidArgument(f"filter dangling={value}: not true or false")
        for value in self._wanted.get("type", []):
            if value not in ("custom", "builtin"):
                raise InvalidArgument(f"filter type={value}: not custom or builtin")
        self._used: set[str] = set()
        if "dangling" in self._wanted:
            self._used = {name for c in state.every(paths) for name in c.networks}

    def match(self, network: Network) -> bool:
        """Whether it passes: any value of a key, every key."""
        return all(self._matches(network, key, values) for key, values in self._wanted.items())

    def plain(self, name: str, driver: str) -> bool:
        """The same of `host` and `none`."""
        known = {"name": [name], "driver": [driver], "scope": ["local"], "type": ["builtin"],
                 "dangling": ["false", "0"]}  # fmt: skip
        return all(
            any(v in name for v in values) if key == "name" else {*values} & {*known.get(key, ())}
            for key, values in self._wanted.items()
        )

    def _matches(self, network: Network, key: str, values: list[str]) -> bool:
        if key == "until":
            return all(clock.known_ns(network.created) <= point for point in self._points)
        if key in ("label", "label!"):
            return all(label_matches(network.labels, v) == (key == "label") for v in values)
        return any(self._is(network, key, value) for value in values)

    def _is(self, network: Network, key: str, value: str) -> bool:
        if key == "id":
            return network.id.startswith(value)
        if key == "name":
            return value in network.name
        if key == "driver":
            return value == network.driver
        if key == "scope":
            return value == "local"
        if key == "type":
            return (value == "builtin") == (network.name == config.DEFAULT)
        used = network.name in self._used or network.name == config.DEFAULT
        return used != (value.lower() in ("true", "1"))


def rows(
    paths: Paths, infos: tuple[NetworkInfo, ...], filters: list[str], *, whole: bool
) -> list[dict[str, object]]:
    """One row for each network, with `host` and `none`; whole: ids are not cut."""
    wanted = Filters(paths, filters)
    found = [row(document(NetworkInfo(network=info.network)), whole) for info in infos]
    for name in _BUILT_IN:
        driver = "host" if name == "host" else "null"
        if wanted.plain(name, driver):
            found.append({**_PLAIN, "Name": name, "Driver": driver, "Labels": Labels({})})
    return sorted(found, key=lambda row: str(row["Name"]))


def row(shown: dict[str, object], whole: bool) -> dict[str, object]:
    """A network of which `document` says this, or what another engine's inspect says of it."""
    network_id, labels = str(shown["Id"]), shown.get("Labels")
    created = str(shown.get("Created") or "").removeprefix(_NEVER)
    same = ("Subnets", "DNSEnabled", "IPv6Enabled", "IPAMOptions", "Options", "NetworkInterface")
    return {
        **{key: shown.get(key, _PLAIN[key]) for key in same},
        "Created": created,
        "ID": network_id if whole else network_id[:12],
        "Name": shown["Name"],
        "Driver": shown.get("Driver", ""),
        "Scope": shown.get("Scope", "local"),
        "IPv4": str(shown.get("EnableIPv4", True)).lower(),
        "IPv6": str(shown.get("EnableIPv6", False)).lower(),
        "Internal": str(shown.get("Internal", False)).lower(),
        "Labels": Labels({**labels} if isinstance(labels, dict) else {}),
        "CreatedAt": created and clock.local(created),
    }


def document(info: NetworkInfo) -> dict[str, object]:
    """What `network inspect` shows of one."""
    network = info.network
    containers = {
        one.container_id: {
            "Name": one.name,
            "EndpointID": one.container_id,
            "MacAddress": one.mac,
            "IPv4Address": f"{one.ip}/{one.prefix}" if one.ip else "",
            "IPv6Address": f"{one.ip6}/{one.prefix6}" if one.ip6 else "",
        }
        for one in info.containers
    }
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": network.created,
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": network.ipv4,
        "EnableIPv6": network.ipv6,
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": [_ipam(subnet) for subnet in network.subnets],
        },
        "Internal": network.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": containers,
        "Options": network.options,
        "Labels": network.labels,
        # podman's
        "ID": network.id,
        "NetworkInterface": network.interface or network.parent,
        "Subnets": [to_json(subnet) for subnet in network.subnets],
        "Routes": [to_json(route) for route in network.routes],
        "DNSEnabled": network.dns,
        "NetworkDNSServers": [*network.dns_servers],
        "IPv6Enabled": network.ipv6,
        "IPAMOptions": {"driver": "host-local"},
        "MTU": network.mtu,
    }


def _ipam(subnet: Subnet) -> dict[str, str]:
    found = {"Subnet": subnet.subnet, "Gateway": subnet.gateway}
    if subnet.first:
        found["IPRange"] = f"{subnet.first}-{subnet.last}"
    return without_empty(found)


def found(paths: Paths, name: str) -> dict[str, object]:
    """What is shown of the network that a name or id means.  Raises NotFound."""
    plain = built_in(name)
    if plain:
        return plain
    network = config.resolve(paths, name)
    containers = attached.endpoints(paths, network.name)
    return document(NetworkInfo(network=network, containers=containers))


def built_in(name: str) -> dict[str, object] | None:
    """What `network inspect` shows of host and none; None for another name."""
    if name not in _BUILT_IN:
        return None
    return {
        "Name": name,
        "Id": "",
        "Created": "",
        "Scope": "local",
        "Driver": "host" if name == "host" else "null",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": None},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }
