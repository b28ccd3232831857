"""The host's side of a bridge network, made once: through pyroute2, the only module that does.

Importing pyroute2 takes about 0.3 s, so it is for what happens once per network and boot;
what every `run` needs is in netlink.py.
"""

from __future__ import annotations

import errno
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from crun_py.errors import CrunpyError, Unsupported
from crun_py.net import ipv4

_IPV4, _UNICAST = 2, 1  # AF_INET, RTN_UNICAST
_HINT = "the kernel lacks it: try `modprobe bridge veth`, or --network host"


def routes() -> list[tuple[int, int]]:
    """The IPv4 destinations that the host routes, but the default one: (base, prefix)."""
    found = []
    with _errors("reading the host's routes"), IPRoute() as ipr:
        for route in ipr.get_routes(family=_IPV4):
            destination = route.get_attr("RTA_DST")
            if destination and route["type"] == _UNICAST:
                found.append((ipv4.parse(destination), int(route["dst_len"])))
    return found


def make_bridge(name: str, mac: str, mtu: int, gateway: str, prefix: int) -> int:
    """The index of bridge `name`, up, with address gateway/prefix; what is there already is
    kept.  mtu: 0 leaves the kernel's.  Raises Unsupported when the kernel has no bridges."""
    with _errors(f"making bridge {name}"), IPRoute() as ipr:
        options: dict[str, Any] = {"mtu": mtu} if mtu else {}
        _unless_there(lambda: ipr.link("add", ifname=name, kind="bridge", address=mac, **options))
        index = int(ipr.link_lookup(ifname=name)[0])
        ipr.link("set", index=index, state="up")
        _unless_there(lambda: ipr.addr("add", index=index, address=gateway, prefixlen=prefix))
        return index


def remove_link(name: str) -> None:
    """Delete interface `name`; absent is fine."""
    with _errors(f"deleting interface {name}"), IPRoute() as ipr:
        for index in ipr.link_lookup(ifname=name):
            ipr.link("del", index=index)


def _unless_there(act: Any) -> None:
    try:
        act()
    except NetlinkError as e:
        if e.code != errno.EEXIST:
            raise


class _errors:
    """Netlink's refusals as errors of ours, naming what was being done."""

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NetlinkError):
            os_error = OSError(error.code, str(error))
            if error.code == errno.EOPNOTSUPP:
                raise Unsupported.from_os(self._doing, os_error, hint=_HINT) from error
            raise CrunpyError.from_os(self._doing, os_error) from error
