"""What is around a container as plain commands: its cgroup, and its bridge networks with ports.

Names of interfaces and files stand in the script, and in nftables' rules, as they are: what has
other names than plain ones is left out.
"""

from __future__ import annotations

import ipaddress
import re
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.documents.container import Port
    from crun_py.documents.explanation import Explanation, Network


_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Around:
    """made, undone: the lines that do it, in their order.  before: what stands before the command
    that becomes the container, which gets into it."""

    def __init__(self, found: Explanation) -> None:
        self.made: list[str] = []
        self.undone: list[str] = []
        self.before = ""
        self._cgroup(found)
        if networks := bridges(found):
            self._network(networks, ports(found))

    def _cgroup(self, found: Explanation) -> None:
        wanted = limits(found)
        if not wanted:
            return
        parent = shlex.quote(found["cgroup"]["path"].rpartition("/")[0])
        self.made += [f"parent={parent}; group=$parent/explained-$$", 'mkdir -p "$parent"']
        for controller in sorted({key.partition(".")[0] for key in wanted}):
            at = '"$(dirname "$parent")"/cgroup.subtree_control "$parent"/cgroup.subtree_control'
            self.made.append(f"for f in {at}; do echo +{controller} > $f; done")
        self.made.append('mkdir "$group"')
        for key, value in wanted.items():
            for line in value.splitlines():
                self.made.append(f'echo {shlex.quote(line)} > "$group"/{key}')
        self.undone.append('rmdir "$group"')
        enter = """'echo $$ > "$0"/cgroup.procs; exec "$@"'"""
        self.before += f'sh -c {enter} "$group" '

    def _network(self, networks: list[Network], published: list[Port]) -> None:
        self.made += ['touch "$place/net"; unshare --net="$place/net" true']
        self.undone.append('umount "$place/net"')
        self.made += ['within() { nsenter --net="$place/net" "$@"; }', "within ip link set lo up"]
        self.made.append("echo 1 > /proc/sys/net/ipv4/ip_forward")
        rules = ["table ip explained_$$ {", " chain postrouting {",
                 "  type nat hook postrouting priority srcnat;"]  # fmt: skip
        for number, network in enumerate(networks):
            self.made += _link(number, network)
            bridge = network["bridge"]
            if not network["internal"]:
                rules += [f'  ip saddr {network["subnets"][0]} oifname != "{bridge}" masquerade;',
                          f'  ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade;']  # fmt: skip
            self.undone += [f"ip link del ve{number}-$$",
                            f'[ -z "${{made{number}:-}}" ] || ip link del {bridge}']  # fmt: skip
        rules.append(" }")
        address = _address(networks[0]).ip
        for hook, priority in (("prerouting", "dstnat"), ("output", "-100")):
            rules += [f" chain {hook} {{", f"  type nat hook {hook} priority {priority};"]
            rules += [f"  {_published(port, str(address))}" for port in published]
            rules.append(" }")
        self.made += ["nft -f - <<RULES", *rules, "}", "RULES"]
        self.undone.append("nft delete table ip explained_$$")
        self.before += 'nsenter --net="$place/net" '


def limits(found: Explanation) -> dict[str, str]:
    """The files of the cgroup that the host has and what is to be in them.  None for a plain user:
    a shell may not leave root's cgroups for one of its user's."""
    cgroup = found["cgroup"]
    if found["rootless"]:
        return {}
    known = {**cgroup["usual"], **cgroup["asked"]}
    return {
        key: value
        for key, value in known.items()
        if cgroup["manager"] and key not in cgroup["lacking"] and _PLAIN.fullmatch(key)
    }


def bridges(found: Explanation) -> list[Network]:
    """The networks that plain commands can make: bridges that have IPv4."""
    if found["network"]["way"] != "bridge":
        return []
    return [
        network
        for network in found["network"]["networks"]
        if network["driver"] == "bridge" and _PLAIN.fullmatch(network["bridge"])
        and _PLAIN.fullmatch(network["join"]["interface"] or "eth0")
        and _is_ipv4(network["subnets"][:1])
    ]  # fmt: skip


def ports(found: Explanation) -> list[Port]:
    """The ports that plain commands can publish: those whose number is known."""
    if not bridges(found):
        return []
    return [
        port
        for port in found["network"]["ports"]
        if port["host_port"] and not port["host_last"] and ":" not in port["host_ip"]
        and port["protocol"] in ("tcp", "udp") and not port["host_ip"].startswith("127.")
    ]  # fmt: skip


def _is_ipv4(subnets: list[str]) -> bool:
    return bool(subnets) and ":" not in subnets[0]


def _address(network: Network) -> ipaddress.IPv4Interface:
    """The one that was asked for; else the last one, which is free unless many are taken."""
    subnet = ipaddress.IPv4Network(network["subnets"][0])
    address = network["join"]["ip"] or str(subnet[-2])
    return ipaddress.IPv4Interface(f"{address}/{subnet.prefixlen}")


def _link(number: int, network: Network) -> Iterator[str]:
    bridge, own = network["bridge"], _address(network)
    name = network["join"]["interface"] or f"eth{number}"
    gateway = next((g for g in network["gateways"] if ":" not in g), "")
    # /sys may be that of another network namespace
    yield f"if ! ip link show {bridge} > /dev/null 2>&1; then"
    yield f"  ip link add {bridge} type bridge; made{number}=yes"
    if gateway:
        yield f"  ip addr add {gateway}/{own.network.prefixlen} dev {bridge}"
    yield f"  ip link set {bridge} up"
    yield f"  echo 1 > /proc/sys/net/ipv4/conf/{bridge}/route_localnet"
    yield "fi"
    yield f'ip link add ve{number}-$$ type veth peer name {name} netns "$place/net"'
    yield f"ip link set ve{number}-$$ master {bridge} up"
    yield f"within ip addr add {own} dev {name}"
    yield f"within ip link set {name} up"
    if gateway and not number:
        yield f"within ip route add default via {gateway}"


def _published(port: Port, address: str) -> str:
    there = f"ip daddr {port['host_ip']}" if port["host_ip"] else "fib daddr type local"
    return (
        f"{there} {port['protocol']} dport {port['host_port']} "
        f"dnat to {address}:{port['container_port']};"
    )
