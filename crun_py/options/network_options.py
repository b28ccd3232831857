"""What --network, `network connect` and `network create` say of networks."""

from __future__ import annotations

from crun_py import quantity
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.model.network import (
    DRIVERS,
    USUAL,
    BridgeOptions,
    Join,
    NetworkRequest,
    Route,
    Subnet,
)
from crun_py.net import connection, ip, shared_link
from crun_py.record import replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

_OF_JOIN = ("ip", "ip6", "mac", "alias", "interface_name", "link_local_ip")
_BOOLEANS = {"true": True, "1": True, "": True, "false": False, "0": False}


def joins(words: list[str], values: Values) -> tuple[Join, ...]:
    """The networks of several --network options; --ip and the like are of the first.

    Raises InvalidArgument.
    """
    for word in words:
        if connection.is_alone(word):
            raise InvalidArgument(f"network mode {word!r}: it goes with no other network")
    found = [join(word) for word in words or ["bridge"]]
    own = {"ip": values.maybe("ip"), "ip6": values.maybe("ip6"), "mac": values.maybe("mac_address")}
    first = found[0]
    for name, value in own.items():
        if value and getattr(first, name):
            raise InvalidArgument(f"--{name}: network {first.network} has one already")
    given = {name: value for name, value in own.items() if value}
    found[0] = replaced(
        first,
        **given,
        aliases=(*first.aliases, *values.texts("network_alias")),
        link_local=(*first.link_local, *values.texts("link_local_ip")),
    )
    return tuple(found)


def of_pods(words: list[str]) -> tuple[tuple[Join, ...], str]:
    """--network of `kube play`: networks by what is asked of each, or one mode.  Raises
    InvalidArgument."""
    if len(words) == 1 and connection.is_alone(words[0]):
        return (), words[0]
    return tuple(map(join, words)), ""


def join(text: str) -> Join:
    """NAME[:KEY=VALUE,…] of --network, or docker's name=NAME,KEY=VALUE,….

    Raises InvalidArgument.
    """
    name, _, rest = text.partition(":")
    pairs = [pair.partition("=")[::2] for pair in rest.split(",") if pair]
    if "=" in name:  # docker's long form
        pairs = [pair.partition("=")[::2] for pair in text.split(",")]
        name = next((value for key, value in pairs if key == "name"), "")
        pairs = [(key, value) for key, value in pairs if key != "name"]
    if not name:
        raise InvalidArgument(f"network {text!r}: no name")
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        word = {"mac-address": "mac", "link-local-ip": "link_local_ip"}.get(key, key)
        if word not in _OF_JOIN:
            raise InvalidArgument(
                f"network {text!r}: {key!r} is not known", hint=f"known: {', '.join(_OF_JOIN)}"
            )
        if not value:
            raise InvalidArgument(f"network {text!r}: {key} has no value")
        found.setdefault(word, []).append(value)
    single = {key: values[-1] for key, values in found.items() if key in ("ip", "ip6", "mac")}
    return Join(
        name,
        **single,
        aliases=tuple(found.get("alias", ())),
        interface=found.get("interface_name", [""])[-1],
        link_local=tuple(found.get("link_local_ip", ())),
    )


# ---- network create ----


def request(values: Values, name: str) -> NetworkRequest:
    """The network that the options of `network create` ask for.  Raises InvalidArgument."""
    driver = values.text("driver") or "bridge"
    if driver not in DRIVERS:
        raise InvalidArgument(f"driver {driver!r}: not known", hint=f"known: {', '.join(DRIVERS)}")
    given = _pairs(values.texts("opt"))
    options = _Options(driver, dict(given))
    labels = _pairs(values.texts("label"), optional=True)
    found = NetworkRequest(
        name=name,
        driver=driver,
        subnets=subnets(values.texts("subnet"), values.texts("gateway"), values.texts("ip_range")),
        ipv6=values.flag("ipv6") or options.flag("enable_ipv6"),
        internal=values.flag("internal") or options.flag("internal"),
        dns=not values.flag("disable_dns"),
        dns_servers=tuple(values.texts("dns")),
        interface=values.text("interface_name") or options.text("bridge_name"),
        parent=options.text("parent"),
        mode=options.mode(),
        mtu=options.number("mtu"),
        metric=options.number("metric"),
        routes=tuple(route(text) for text in values.texts("route")),
        labels=labels,
        bridge=options.bridge(),
        options=given,
    )
    options.check()
    if driver != "bridge" and values.text("interface_name"):
        return replaced(found, interface="", parent=values.text("interface_name"))
    return found


def _pairs(texts: list[str], *, optional: bool = False) -> dict[str, str]:
    for text in texts:
        if not optional and "=" not in text:
            raise InvalidArgument(f"option {text!r}: not KEY=VALUE")
    return dict(text.partition("=")[::2] for text in texts)


def subnets(given: list[str], gateways: list[str], ranges: list[str]) -> tuple[Subnet, ...]:
    """Subnets with their gateways and ranges: each of those is of the subnet that it lies in.

    Raises InvalidArgument for one that lies in none.
    """
    found = [Subnet(text) for text in given]
    for kind, texts in (("gateway", gateways), ("ip range", ranges)):
        for text in texts:
            start = text.partition("/")[0].partition("-")[0]
            at = next((n for n, s in enumerate(found) if _lies_in(start, s)), None)
            if at is None:
                raise InvalidArgument(f"{kind} {text}: it lies in no --subnet")
            if kind == "gateway":
                found[at] = replaced(found[at], gateway=text)
            else:
                first, last = _range(text)
                found[at] = replaced(found[at], first=first, last=last)
    return tuple(found)


def _lies_in(address: str, subnet: Subnet) -> bool:
    return ip.contains(ip.subnet(subnet.subnet), address)


def _range(text: str) -> tuple[str, str]:
    """--ip-range: a subnet, or FIRST-LAST."""
    first, dash, last = text.partition("-")
    if dash:
        if ip.width(first) != ip.width(last) or ip.number(first) > ip.number(last):
            raise InvalidArgument(f"ip range {text}: not FIRST-LAST")
        return first, last
    found = ip.subnet(text)
    base, _, width = found
    whole = ip.last(found)
    return ip.text(base, width), ip.text(whole, width)


def route(text: str) -> Route:
    """DESTINATION,GATEWAY[,METRIC].  Raises InvalidArgument."""
    parts = text.split(",")
    if not 2 <= len(parts) <= 3:
        raise InvalidArgument(f"route {text!r}: the form is DESTINATION,GATEWAY[,METRIC]")
    metric = quantity.whole(parts[2], "metric") if len(parts) > 2 else 0
    return Route(parts[0], parts[1], metric)


_DOCKER = "com.docker.network."
_KNOWN: dict[str, tuple[str, ...]] = {
    "mtu": ("mtu", _DOCKER + "driver.mtu"),
    "metric": ("metric",),
    "parent": ("parent",),
    "bridge_name": (_DOCKER + "bridge.name",),
    "mode": ("mode", "macvlan_mode", "ipvlan_mode"),
    "internal": ("internal",),
    "enable_ipv6": (_DOCKER + "enable_ipv6",),
    "between": (_DOCKER + "bridge.enable_icc",),
    "masquerade": (_DOCKER + "bridge.enable_ip_masquerade",),
    "host_ip": (_DOCKER + "bridge.host_binding_ipv4", _DOCKER + "host_ipv4"),
    "prefix": (_DOCKER + "container_iface_prefix",),
    "no_default_route": ("no_default_route",),
    "vlan": ("vlan",),
    "ipv4": (_DOCKER + "bridge.gateway_mode_ipv4",),
    "ipv6": (_DOCKER + "bridge.gateway_mode_ipv6",),
    # as it is anyway: networks do not reach each other
    "usual": ("guard", "isolate", _DOCKER + "enable_ipv4", "vrf"),
}  # fmt: skip
_USUAL = {
    "guard": ("true", "1", "false", "0"),
    "isolate": ("true", "1", "strict", "false", "0"),
    _DOCKER + "enable_ipv4": ("true", "1"),
}


class _Options:
    """--opt of a network: each is taken once, and what nobody takes is refused."""

    def __init__(self, driver: str, given: dict[str, str]) -> None:
        self._driver, self._left = driver, given
        self._managed = True

    def text(self, name: str) -> str:
        for key in _KNOWN[name]:
            if key in self._left:
                return self._left.pop(key)
        return ""

    def number(self, name: str) -> int:
        text = self.text(name)
        return quantity.whole(text, name) if text else 0

    def flag(self, name: str, usual: bool = False) -> bool:
        if not any(key in self._left for key in _KNOWN[name]):
            return usual
        text = self.text(name)
        if text.lower() not in _BOOLEANS:
            raise InvalidArgument(f"option {name}={text}: not true or false")
        return _BOOLEANS[text.lower()]

    def bridge(self) -> BridgeOptions:
        """What is said of a bridge; for another driver it is left, and refused."""
        if self._driver != "bridge":
            return USUAL
        found = BridgeOptions(
            between=self.flag("between", usual=True),
            masquerade=self.flag("masquerade", usual=True),
            routed=tuple(family for family in ("ipv4", "ipv6") if self._routed(family)),
            host_ip=self.text("host_ip"),
            prefix=self.text("prefix") or "eth",
            default_route=not self.flag("no_default_route"),
            vlan=self.number("vlan"),
            managed=self._managed,
        )
        return replaced(found, host_ip="") if found.host_ip == "0.0.0.0" else found

    def _routed(self, family: str) -> bool:
        text = self.text(family)
        if text not in ("", "nat", "routed"):
            raise Unsupported(f"option gateway_mode_{family}={text}", hint="nat or routed")
        return text == "routed"

    def mode(self) -> str:
        text = self.text("mode")
        known = shared_link.MODES.get(self._driver)
        if self._driver == "bridge" and text in ("managed", "unmanaged"):
            self._managed = text == "managed"
            return ""
        if not text:
            return ""
        if known is None:
            raise InvalidArgument(f"option mode={text}: driver {self._driver} has no modes")
        if text not in known:
            raise InvalidArgument(f"option mode={text}: not known", hint=", ".join(known))
        return text

    def check(self) -> None:
        """Raises InvalidArgument, Unsupported for what is left."""
        for key, value in self._left.items():
            if key not in _KNOWN["usual"]:
                known = sorted(k for keys in _KNOWN.values() for k in keys)
                raise InvalidArgument(
                    f"option {key}={value}: driver {self._driver} does not know it",
                    hint=f"known: {', '.join(known)}",
                )
            if key not in _USUAL or value.lower() not in _USUAL[key]:
                raise Unsupported(f"option {key}={value}: cannot be had")
