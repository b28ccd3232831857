"""Rules of others that stop containers' packets: a packet must be accepted by every table."""

from __future__ import annotations

from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crun_py.doctor.host import Host
    from crun_py.model.system import Finding
    from crun_py.net.netlink import Socket

_GETCHAIN = 4
_HOOK_FORWARD = 2
_DROP = 0
_FAMILIES = {1: "inet", 2: "ip", 10: "ip6"}


@record
class Chain:
    """A chain of nftables at the hook `forward`.  family: as nft(8) has it; drops: its policy."""

    family: str
    table: str
    name: str
    drops: bool


def chains(sock: Socket) -> list[Chain]:
    """All chains at the hook `forward` in the network namespace of `sock`.  Raises OSError."""
    from crun_py.net.netlink import attributes, nft_message

    found = []
    for body in sock.dump(nft_message(_GETCHAIN, 0, 0)):
        parts = attributes(body, 4)
        hook = attributes(parts[4]) if 4 in parts else {}
        if body[0] not in _FAMILIES or _number(hook.get(1)) != _HOOK_FORWARD:
            continue
        found.append(
            Chain(
                family=_FAMILIES[body[0]],
                table=_text(parts.get(1)),
                name=_text(parts.get(3)),
                drops=_number(parts.get(5)) == _DROP,
            )
        )
    return found


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode(errors="replace")


def _number(value: bytes | None) -> int:
    return int.from_bytes(value, "big") if value else -1


def others(host: Host, found: Sequence[Chain]) -> Iterator[Finding]:
    """What is in the way of root's networks.  A plain user's packets are those of a process."""
    if host.rootless:
        return
    blocked = False
    for chain in found:
        if chain.table.startswith("crunpy"):
            continue
        where = f"table {chain.family} {chain.table}, chain {chain.name}"
        if chain.table == "firewalld":
            blocked = True
            yield host.warning(
                "firewall",
                f"firewalld rejects what it does not know ({where})",
                "firewall-cmd --permanent --zone=trusted --add-interface=crunpy+ && "
                "firewall-cmd --reload",
            )
        elif chain.table == "filter" and chain.name == "FORWARD":
            if chain.drops:  # iptables-nft: there we let our bridges through (net/nft_forward)
                yield host.ok("firewall", f"{where} drops; our networks are let through there")
        elif chain.drops:
            blocked = True
            one = f"{chain.family} {chain.table} {chain.name}"
            yield host.warning(
                "firewall",
                f"{where} drops what no rule of it accepts",
                f"nft insert rule {one} iifname 'crunpy*' accept && "
                f"nft insert rule {one} oifname 'crunpy*' accept",
            )
    if "filter" in host.text("/proc/net/ip_tables_names").split():
        blocked = True
        yield host.warning(
            "firewall",
            "iptables-legacy has rules, which we cannot add to: Docker's old ones drop (FORWARD)",
            "iptables-legacy -I FORWARD -i crunpy+ -j ACCEPT && "
            "iptables-legacy -I FORWARD -o crunpy+ -j ACCEPT",
        )
    if not blocked:
        yield host.ok("firewall", "nobody else's rules are in the way")
