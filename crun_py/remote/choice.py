"""Which service is meant, if any (docker(1), "Environment variables"; podman-remote(1))."""

from __future__ import annotations

import os

from crun_py import caller
from crun_py.errors import InvalidArgument
from crun_py.record import record, replaced
from crun_py.remote.endpoint import Endpoint, Tls, docker_directory, parse


@record
class Asked:
    """What options say of where a service is.

    host: None when it is not given, "" for this machine without a service.  context: docker's;
    connection: podman's.  remote: podman's --remote: the usual connection.  tls: with TLS, verify:
    and the service's certificate is looked at (None: not said); ca, certificate, key: files.
    usual: the socket of this machine's service.
    """

    host: str | None = None
    context: str = ""
    connection: str = ""
    remote: bool = False
    tls: bool = False
    verify: bool | None = None
    ca: str = ""
    certificate: str = ""
    key: str = ""
    identity: str = ""
    usual: str = ""


def chosen(asked: Asked) -> Endpoint | None:
    """The service that is meant; None for this machine without one.

    Options come first, then DOCKER_HOST, CONTAINER_HOST, DOCKER_CONTEXT, CONTAINER_CONNECTION and
    the context that `context use` chose; all as docker and podman have them.  Raises
    InvalidArgument, NotFound, CrunpyError (a file of contexts that cannot be read).
    """
    names = [n for n in (asked.context, asked.connection) if n]
    if asked.host is not None and names:
        raise InvalidArgument("--host conflicts with --context and --connection")
    if len(names) > 1:
        raise InvalidArgument("--context conflicts with --connection")
    if asked.host is not None:
        return _at(asked.host, asked)
    from crun_py.remote import connections, contexts

    if asked.connection and (asked.connection != "default" or connections.known("default")):
        return connections.endpoint(asked.connection)
    if asked.context not in ("", contexts.DEFAULT):
        return _named(asked.context)
    for name in caller.SERVICES[:2]:
        if host := caller.variable(name):
            found = _at(host, asked)
            key = caller.variable("CONTAINER_SSHKEY") if name == "CONTAINER_HOST" else ""
            return replaced(found, identity=key) if found and key else found
    if asked.context or asked.connection:
        return None
    if (context := caller.variable("DOCKER_CONTEXT")) and context != contexts.DEFAULT:
        return contexts.endpoint(context)
    if connection := caller.variable("CONTAINER_CONNECTION"):
        return connections.endpoint(connection)
    if (context := contexts.current()) != contexts.DEFAULT:
        return contexts.endpoint(context)
    if asked.remote:
        usual = connections.default()
        return connections.endpoint(usual) if usual else parse(f"unix://{asked.usual}")
    return None


def _named(name: str) -> Endpoint:
    """docker's context, or podman's connection, which `-c` means there."""
    from crun_py.remote import connections, contexts

    if not contexts.known(name) and connections.known(name):
        return connections.endpoint(name)
    return contexts.endpoint(name)


def _at(host: str, asked: Asked) -> Endpoint | None:
    if not host:
        return None
    found = parse(host)
    if found.kind == "tcp":
        return parse(host, tls_of(asked))
    return replaced(found, identity=asked.identity) if found.kind == "ssh" else found


def tls_of(asked: Asked) -> Tls | None:
    """What TLS is made of, as options and DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH say;
    None for without."""
    verify = asked.verify
    if verify is None:
        verify = bool(caller.variable("DOCKER_TLS_VERIFY"))
    if not (verify or asked.tls or asked.ca or caller.variable("DOCKER_TLS")):
        return None
    directory = caller.variable("DOCKER_CERT_PATH") or docker_directory()
    return Tls(
        ca=asked.ca or _if_there(f"{directory}/ca.pem"),
        certificate=asked.certificate or _if_there(f"{directory}/cert.pem"),
        key=asked.key or _if_there(f"{directory}/key.pem"),
        verify=verify,
    )


def _if_there(path: str) -> str:
    return path if os.path.exists(path) else ""
