"""What --network pasta:OPTIONS and slirp4netns:OPTIONS say to these programs."""

from __future__ import annotations

from crun_py.errors import InvalidArgument
from crun_py.net import ip
from crun_py.record import record, replaced

_BOOLEANS = {"true": True, "false": False}
_CIDR = "10.0.2.0/24"
_MTU = 65520


@record
class HelperOptions:
    """Of one of the programs.

    arguments: in its own words.  dns: the address at which slirp4netns answers for names.
    passes_on: published ports of tcp are passed on by the monitor, which is faster, but clients
    have the container's own address.
    """

    arguments: tuple[str, ...] = ()
    dns: str = ""
    passes_on: bool = False


def parse(mode: str) -> HelperOptions:
    """The options of a network mode: pasta[:ARGUMENT,…], in pasta's own words, or
    slirp4netns[:KEY=VALUE,…], as podman has them.  Raises InvalidArgument."""
    word, _, text = mode.partition(":")
    given = [part for part in text.split(",") if part]
    if word == "pasta":
        return HelperOptions(arguments=tuple(given))
    return _slirp4netns(mode, given if word == "slirp4netns" else [])


def _slirp4netns(mode: str, given: list[str]) -> HelperOptions:
    cidr, loopback, mtu, more = _CIDR, False, _MTU, list[str]()
    found = HelperOptions()
    for part in given:
        key, _, value = part.partition("=")
        if key == "allow_host_loopback":
            loopback = _boolean(mode, key, value)
        elif key == "enable_ipv6":
            more += ["--enable-ipv6"] if _boolean(mode, key, value) else []
        elif key == "mtu":
            mtu = _mtu(mode, value)
        elif key == "cidr":
            cidr = value
        elif key in ("outbound_addr", "outbound_addr6") and value:
            more.append(f"--{key.replace('_', '-')}={value}")
        elif key == "port_handler" and value in ("rootlesskit", "slirp4netns"):
            found = replaced(found, passes_on=value == "rootlesskit")
        else:
            raise InvalidArgument(
                f"network mode {mode!r}: option {part!r} is not known",
                hint="allow_host_loopback= enable_ipv6= mtu= cidr= outbound_addr= outbound_addr6= "
                "port_handler=slirp4netns|rootlesskit",
            )
    base, prefix, width = ip.subnet(cidr)
    if width != ip.IPv4 or prefix > 25:
        raise InvalidArgument(f"network mode {mode!r}: cidr: a subnet of IPv4, of at least /25")
    more += [f"--mtu={mtu}"] + ([] if loopback else ["--disable-host-loopback"])
    if cidr != _CIDR:
        more.append(f"--cidr={ip.written((base, prefix, width))}")
    return replaced(found, arguments=tuple(more), dns=ip.text(base + 3))


def _boolean(mode: str, key: str, value: str) -> bool:
    if value not in _BOOLEANS:
        raise InvalidArgument(f"network mode {mode!r}: {key}={value}: not true or false")
    return _BOOLEANS[value]


def _mtu(mode: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 68 <= int(value) <= 65521):
        raise InvalidArgument(f"network mode {mode!r}: mtu={value}: not between 68 and 65521")
    return int(value)
