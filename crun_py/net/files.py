"""/etc/hosts, /etc/resolv.conf and /etc/hostname of a container, as bytes.

Pure functions: reading the host's files and writing the container's is up to the caller.
Formats: hosts(5), resolv.conf(5), hostname(5).
"""

from __future__ import annotations

import _socket

from crun_py.errors import InvalidArgument

FALLBACK_SERVERS = ("8.8.8.8", "8.8.4.4")
"""Name servers where the host's are all its own loopback ones."""

_STANDARD_HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address (with a zone or without)."""
    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, text.partition("%")[0])
            return True
        except (OSError, ValueError):
            continue
    return False


def is_name(text: str) -> bool:
    """Whether `text` can be a host name: labels of letters, digits, '-' and '_'."""
    if not text.isascii() or not 0 < len(text) <= 253:
        return False
    for label in text.removesuffix(".").split("."):
        plain = label.replace("-", "").replace("_", "")
        if not plain.isalnum() or len(label) > 63 or label[0] == "-" or label[-1] == "-":
            return False
    return True


def parse_add_host(spec: str) -> tuple[list[str], str]:
    """(names, address or "host-gateway") of an --add-host option: NAME[;NAME…]:ADDRESS.

    NAME=ADDRESS is the same; an IPv6 address may be in brackets.  Raises InvalidArgument,
    in particular for spaces and newlines, which would add lines of their own.
    """
    cut = min((n for n in (spec.find(":"), spec.find("=")) if n >= 0), default=-1)
    text, address = spec[:cut], spec[cut + 1 :].removeprefix("[").removesuffix("]")
    names = text.split(";")
    if cut < 1 or not all(map(is_name, names)):
        raise InvalidArgument(
            f"adding host {spec!r}: not a host name", hint="the form is NAME:ADDRESS"
        )
    if address != "host-gateway" and not is_address(address):
        raise InvalidArgument(
            f"adding host {spec!r}: not an address: {address!r}",
            hint="an IPv4 or IPv6 address, or host-gateway for the host itself",
        )
    return names, address


def hosts(
    addresses: list[tuple[str, list[str]]],
    add_hosts: list[str] | tuple[str, ...] = (),
    host_address: str = "",
) -> bytes:
    """The content of /etc/hosts.

    addresses:    (address, names) of the container itself on each of its networks; without
                  any network: [("127.0.1.1", [hostname])] or so.
    add_hosts:    --add-host options.
    host_address: by which the container reaches the host (its gateway), for host-gateway
                  and the names host.docker.internal, host.containers.internal; "" if it
                  cannot.
    Raises InvalidArgument.
    """
    lines = [_STANDARD_HOSTS]
    extra = [parse_add_host(spec) for spec in add_hosts]
    named = {name for names, _ in extra for name in names}
    for names, address in extra:
        if address == "host-gateway":
            if not host_address:
                raise InvalidArgument(
                    f"adding host {names[0]!r}: this network has no address of the host",
                    hint="host-gateway needs a bridge network",
                )
            address = host_address
        lines.append(f"{address}\t{' '.join(names)}\n")
    internal = ("host.containers.internal", "host.docker.internal")
    own = [name for name in internal if name not in named]
    if host_address and own:
        lines.append(f"{host_address}\t{' '.join(own)}\n")
    for address, names in addresses:
        if not is_address(address) or not all(map(is_name, names)):
            raise InvalidArgument(f"host name {' '.join(names)!r} is not valid")
        lines.append(f"{address}\t{' '.join(dict.fromkeys(names))}\n")
    return "".join(lines).encode()


def resolv_conf(
    host: bytes,
    own_network: bool = True,
    servers: list[str] | tuple[str, ...] = (),
    search: list[str] | tuple[str, ...] = (),
    options: list[str] | tuple[str, ...] = (),
) -> bytes:
    """The content of /etc/resolv.conf.

    host:        the host's file (where systemd-resolved's stub at 127.0.0.53 is all it
                 names, the caller gives /run/systemd/resolve/resolv.conf instead).
    own_network: the container has a network namespace of its own, where the host's
                 loopback servers are not; else the host's file is taken as it is.
    servers, search, options: --dns, --dns-search ("." for none), --dns-option; each
                 replaces what the host has of its kind.
    Raises InvalidArgument.
    """
    _check(servers, search, options)
    if not own_network and not (servers or search or options):
        return host
    found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in host.decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            found["nameserver"].append(words[1])
        elif words[0] in ("search", "domain"):  # the last one counts
            found["search"] = words[1:]
        elif words[0] == "options":
            found["options"] += words[1:]
    if servers:
        found["nameserver"] = list(servers)
    elif own_network:
        reachable = [s for s in found["nameserver"] if not _is_loopback(s)]
        found["nameserver"] = reachable or list(FALLBACK_SERVERS)
    if search:
        found["search"] = [] if list(search) == ["."] else list(search)
    if options:
        found["options"] = list(options)
    lines = []
    if found["search"]:
        lines.append("search " + " ".join(found["search"]))
    lines += ["nameserver " + server for server in found["nameserver"]]
    if found["options"]:
        lines.append("options " + " ".join(found["options"]))
    return ("\n".join(lines) + "\n").encode()


def _is_loopback(server: str) -> bool:
    # an IPv6 link-local server means an interface that the container does not have
    return server.startswith("127.") or server == "::1" or "%" in server


def _check(
    servers: list[str] | tuple[str, ...],
    search: list[str] | tuple[str, ...],
    options: list[str] | tuple[str, ...],
) -> None:
    for server in servers:
        if not is_address(server):
            raise InvalidArgument(f"name server {server!r} is not an address")
    for domain in search:
        if domain != "." and not is_name(domain):
            raise InvalidArgument(f"search domain {domain!r} is not a domain")
    for option in options:
        if not option.isascii() or not option.isprintable() or not option or " " in option:
            raise InvalidArgument(f"resolver option {option!r} is not one word")


def hostname(name: str) -> bytes:
    """The content of /etc/hostname.  Raises InvalidArgument (sethostname(2): 64 bytes)."""
    if not is_name(name) or len(name) > 64:
        raise InvalidArgument(
            f"host name {name!r} is not valid", hint="letters, digits, '-' and '.', at most 64"
        )
    return name.encode() + b"\n"
