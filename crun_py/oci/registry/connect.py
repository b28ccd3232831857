"""Connections to servers, where a server may have named the next one.

What counts is the address that is connected to, not how it was spelled: link-local ones,
where clouds keep their metadata, are only reached by a name that the user gave.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import httpcore
import httpx

from crun_py import caller
from crun_py.errors import CrunpyError, RegistryError
from crun_py.oci.registry.challenge import is_internal

_REDIRECTS = 10
_TIMEOUT_S = 60
_AS_IT_IS = {"Accept-Encoding": "identity"}
"""A file is what its checksum says, not what a server packs for the way."""


class Guard(httpcore.SyncBackend):
    """Connects like httpcore, but to no internal address unless `allowed` (a host as the user
    gave it) is asked for."""

    def __init__(self, allowed: str) -> None:
        self._allowed = allowed.lower()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        connect = super().connect_tcp
        if host.lower() == self._allowed:
            return connect(host, port, timeout, local_address, socket_options)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as e:
            raise httpcore.ConnectError(str(e)) from e
        failure: Exception = httpcore.ConnectError(f"{host} is an address of this network only")
        for address in dict.fromkeys(str(entry[4][0]) for entry in found):
            if is_internal(address):
                continue
            try:
                return connect(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as e:
                failure = e
        raise failure


def guard(client: httpx.Client, host: str) -> httpx.Client:
    """`client`, whose own connections (those that go through no proxy) reach what Guard allows."""
    pool = client._transport._pool  # type: ignore[attr-defined]
    if not hasattr(pool, "_network_backend"):
        raise CrunpyError("connecting: this release of httpx is not known")
    pool._network_backend = Guard(host)
    return client


class Download:
    """What a server sends: called with n it gives the next bytes, at most n; b"" at the end.

    last_modified: that header, or "".
    """

    def __init__(self, response: httpx.Response) -> None:
        self._read = _reader(response.iter_raw())
        self.last_modified = str(response.headers.get("Last-Modified", ""))

    def __call__(self, size: int) -> bytes:
        return self._read(size)


@contextmanager
def download(url: str, doing: str) -> Iterator[Download]:
    """Inside it what the user's `url` names can be read.  doing: for messages.

    Raises CrunpyError.
    """
    try:
        host = httpx.URL(url).host
        with (
            guard(httpx.Client(timeout=_TIMEOUT_S, max_redirects=_REDIRECTS), host) as client,
            client.stream("GET", url, headers=_AS_IT_IS, follow_redirects=True) as response,
        ):
            if response.status_code != 200:
                status = response.status_code
                reason = httpx.codes.get_reason_phrase(status).lower()
                raise CrunpyError(f"{doing}: the server answered {status} {reason}".rstrip())
            yield Download(response)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as e:
        raise CrunpyError(f"{doing}: {cause_of(e)}") from e


def _reader(pieces: Iterator[bytes]) -> Callable[[int], bytes]:
    held = b""

    def read(size: int) -> bytes:
        nonlocal held
        while not held:
            piece = next(pieces, None)
            if piece is None:
                return b""
            held = piece
        given, held = held[:size], held[size:]
        return given

    return read


def tls_context(host: str, cert_dir: str | None, *, verify: bool) -> ssl.SSLContext:
    """Trust of the system, of httpx's bundle, and of certs.d/HOST (containers-certs.d(5)).

    cert_dir: where the certificates are, instead of the directories for HOST.
    """
    if not verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = httpx.create_ssl_context()
        context.load_default_certs()
    places = [cert_dir] if cert_dir else [f"{top}/{host}" for top in _certificate_directories()]
    for path in places:
        names = sorted(os.listdir(path)) if os.path.isdir(path) else []
        for name in names:
            try:
                if name.endswith(".crt") and verify:
                    context.load_verify_locations(f"{path}/{name}")
                elif name.endswith(".cert"):
                    context.load_cert_chain(f"{path}/{name}", f"{path}/{name[:-5]}.key")
            except (OSError, ssl.SSLError) as e:
                raise RegistryError(f"registry {host}: reading {path}/{name}: {cause_of(e)}") from e
    return context


def _certificate_directories() -> list[str]:
    config = caller.config_home()
    return ["/etc/docker/certs.d", "/etc/containers/certs.d", config + "/containers/certs.d"]


def cause_of(error: BaseException) -> str:
    """The root of a transport error in few words."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {seen.verify_message}"
        if isinstance(seen, ssl.SSLError):
            return (
                "it does not speak TLS"
                if seen.reason == "WRONG_VERSION_NUMBER"
                else str(seen.reason or seen).lower().replace("_", " ")
            )
        if isinstance(seen, OSError) and seen.errno and seen.strerror:
            return seen.strerror.lower()
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    text = str(error) or type(error).__name__
    return text[0].lower() + text[1:].rstrip(".")
