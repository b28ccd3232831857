"""Where a service is (docs.docker.com, "Protect the Docker daemon socket"; podman-remote(1))."""

from __future__ import annotations

import os

from crun_py import caller, quantity
from crun_py.errors import InvalidArgument, Unsupported
from crun_py.record import record

_PLAIN_PORT, _TLS_PORT = 2375, 2376
_FORMS = "unix:///PATH, tcp://HOST:PORT or ssh://[USER@]HOST[:PORT][/PATH]"


@record
class Tls:
    """ca: who signs the service's certificate, "" for the system's.  certificate, key: what we
    show, "" for nothing.  verify: whether the service's is looked at."""

    ca: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True


@record
class Endpoint:
    """A place of a service.

    kind: unix, tcp or ssh.  path: of the socket, of ssh on the other machine ("" for the usual
    one).  host, port, user: of tcp and ssh; "" and 0 for the usual ones.  tls: None for without.
    identity: a file for ssh.  url: as it was written.  name: of the context or connection that
    has it.
    """

    kind: str
    url: str
    path: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    tls: Tls | None = None
    identity: str = ""
    name: str = ""


def parse(text: str, tls: Tls | None = None) -> Endpoint:
    """The place that an address names; tls: for tcp.  Raises InvalidArgument, Unsupported."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = ("unix", text) if text.startswith("/") else ("tcp", text)
    if scheme == "unix":
        if not rest.startswith("/"):
            raise _bad(text, "the path of a socket is absolute")
        return Endpoint(kind="unix", url=text if mark else f"unix://{text}", path=rest)
    if scheme == "npipe":
        raise Unsupported(f"address {text!r}: named pipes are Windows'", hint=_FORMS)
    if scheme not in ("tcp", "http", "https", "ssh"):
        raise _bad(text, f"{scheme!r} is no way to a service")
    authority, slash, path = rest.partition("/")
    user, at, place = authority.rpartition("@")
    host, port = _host_and_port(place, text)
    if scheme == "ssh":
        return _ssh(text, user, host, port, slash + path)
    if at or path:
        raise _bad(text, "a user and a path are for ssh://")
    if scheme == "https" and tls is None:
        tls = Tls()
    port = port or (_TLS_PORT if tls else _PLAIN_PORT)
    url = text if mark else f"tcp://{text}"
    return Endpoint(kind="tcp", url=url, host=host or "localhost", port=port, tls=tls)


def _ssh(text: str, user: str, host: str, port: int, path: str) -> Endpoint:
    if ":" in user:
        raise _bad(text, "ssh:// takes no password; ssh-agent has keys")
    if not host or host.startswith("-") or user.startswith("-"):
        raise _bad(text, "no host")
    path = "" if path == "/" else path
    return Endpoint(kind="ssh", url=text, host=host, port=port, user=user, path=path)


def _bad(text: str, why: str) -> InvalidArgument:
    return InvalidArgument(f"address {text!r}: {why}", hint=_FORMS)


def _host_and_port(text: str, whole: str) -> tuple[str, int]:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or port[:1] not in ("", ":"):
            raise _bad(whole, "no address of IPv6")
        port = port[1:]
    else:
        host, _, port = text.partition(":")
        if ":" in port:
            raise _bad(whole, "an address of IPv6 stands in brackets")
    if not port:
        return host, 0
    if not quantity.is_number(port) or not 0 < int(port) < 65536:
        raise _bad(whole, f"{port!r} is no port")
    return host, int(port)


def docker_directory() -> str:
    """Where docker's command line keeps its settings."""
    return caller.variable("DOCKER_CONFIG") or caller.home(".docker")


def variables_of(endpoint: Endpoint) -> dict[str, str]:
    """What tells other programs of a service: DOCKER_HOST, and of TLS where the files have the
    names that they look for."""
    found = {"DOCKER_HOST": endpoint.url}
    if endpoint.tls:
        found["DOCKER_CERT_PATH"] = os.path.dirname(endpoint.tls.ca)
        found["DOCKER_TLS_VERIFY"] = "1" if endpoint.tls.verify else ""
    return found


def described(endpoint: Endpoint) -> str:
    """What messages call it."""
    return f"{endpoint.url} (context {endpoint.name})" if endpoint.name else endpoint.url
