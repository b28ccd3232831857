"""Connections to a service by any way there is."""

from __future__ import annotations

import os
import socket

from crun_py.remote.endpoint import Endpoint
from crun_py.remote.link import CONNECT_S, Link, cannot


def connect(endpoint: Endpoint, timeout_s: float = CONNECT_S) -> Link:
    """A new connection.  Raises CrunpyError."""
    if endpoint.kind == "ssh":
        from crun_py.remote.ssh import SshLink

        return SshLink(endpoint, timeout_s)
    sock = _connected(endpoint, timeout_s)
    if endpoint.tls:
        from crun_py.remote.tls import TlsLink

        return TlsLink(sock, endpoint, endpoint.tls)
    sock.settimeout(None)
    return Link(sock, endpoint)


def _connected(endpoint: Endpoint, timeout_s: float) -> socket.socket:
    try:
        if endpoint.kind == "tcp":
            place = (endpoint.host, endpoint.port)
            sock = socket.create_connection(place, timeout=timeout_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(timeout_s)
            sock.connect(endpoint.path)
        except BaseException:
            sock.close()
            raise
        return sock
    except TimeoutError as e:
        raise cannot(endpoint, f"no answer in {timeout_s:g} s") from e
    except socket.gaierror as e:
        raise cannot(endpoint, f"{endpoint.host}: {(e.strerror or 'not found').lower()}") from e
    except PermissionError as e:
        hint = f"the socket {endpoint.path} is another user's" if endpoint.path else ""
        raise cannot(endpoint, "permission denied", hint) from e
    except OSError as e:
        raise cannot(endpoint, os.strerror(e.errno or 0).lower()) from e
