"""What a registry's 401 asks for, and how far its word is to be trusted.

The registry chooses the token server.  It could name one that steals the login or an
address inside the user's network, so: https (or this machine), never link-local, and the
login only to a server that is the registry's own.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from crun_py.oci.registry.registries import DOCKER_API_HOST, host_only, is_loopback

_METADATA = ipaddress.IPv6Network("fd00:ec2::/32")
"""Where a cloud has its metadata by IPv6."""
_TOKEN_SERVERS = {DOCKER_API_HOST: "auth.docker.io"}


def parse(headers: list[str]) -> tuple[str, dict[str, str]]:
    """(scheme, fields) of the first bearer, else basic, challenge; ("", {}) for none.

    RFC 9110, section 11.6.1; header values are one challenge each, as registries send them.
    """
    found: tuple[str, dict[str, str]] = ("", {})
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        if scheme.lower() == "bearer":
            return "bearer", _fields(rest)
        if scheme.lower() == "basic":
            found = ("basic", _fields(rest))
    return found


def _fields(text: str) -> dict[str, str]:
    """key="value", key=value …; a backslash takes the next character as it is."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(text):
        equals = text.find("=", at)
        if equals < 0:
            break
        key = text[at:equals].strip(" ,\t").lower()
        at = equals + 1
        value = ""
        if text[at : at + 1] == '"':
            at += 1
            while at < len(text) and text[at] != '"':
                at += text[at] == "\\"
                value += text[at : at + 1]
                at += 1
            at += 1
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            value = text[at:end].strip()
            at = end
        fields[key] = value
    return fields


def check_realm(realm: str, host: str, *, insecure: bool) -> None:
    """Raises ValueError, saying why, unless the token server `realm` of `host` may be asked."""
    try:
        parts = urlsplit(realm)
        name, _ = parts.hostname or "", parts.port
    except ValueError as e:
        raise ValueError("is not a URL") from e
    if parts.scheme not in ("https", "http") or not name:
        raise ValueError("is not an http URL")
    if parts.username or parts.password:
        raise ValueError("has a login in its URL")
    if is_internal(name):
        raise ValueError("is an address of this network only")
    if parts.scheme == "http" and not (is_loopback(name) or (insecure and _same_host(name, host))):
        raise ValueError("is not https")


def may_see_credentials(realm: str, host: str) -> bool:
    """Whether the token server is the registry `host` itself, or known to be its own.

    That is: the same origin; by https also another port of it or the domain above it
    (registry.gitlab.com and gitlab.com), or what is known of docker.io.
    """
    parts = urlsplit(realm)
    wanted = urlsplit("//" + host)
    name, registry = parts.hostname or "", wanted.hostname or ""
    if parts.scheme != "https":
        return name == registry and (parts.port or 80) == (wanted.port or 80)
    domain = "." in name and not name.rpartition(".")[2].isdigit()
    above = domain and registry.endswith("." + name)
    return name == registry or above or _TOKEN_SERVERS.get(host) == name


def is_internal(name: str) -> bool:
    """Whether host `name` is a link-local address, where clouds keep their metadata."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name.lower().rstrip(".") in ("metadata.google.internal", "metadata")
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.version == 6 and mapped in _METADATA:
        return True
    return bool(mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified)


def _same_host(name: str, host: str) -> bool:
    return name.lower() == host_only(host).lower()
