"""/etc/hosts, /etc/resolv.conf and /etc/hostname of a container, written where they are mounted
from.  What is in them is made by files.py."""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError
from crun_py.net import files
from crun_py.net.connection import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.model.network import Attachment
    from crun_py.net.connection import Connection
    from crun_py.state import Container


def write(container: Container, connection: Connection, links: list[str]) -> None:
    """Write /etc/hosts, /etc/resolv.conf and /etc/hostname as this container sees them.

    links: further entries for hosts, as of --add-host.
    """
    record = container.record
    network, hostname = record["network"], record["hostname"]
    directory = container.directory
    owner = None
    if record["userns"]:
        from crun_py.ns.idmap import Ids

        owner = Ids(record["userns"]["uids"], record["userns"]["gids"]).outside(0, 0)
    if network["mode"].startswith("container:"):
        other = container.paths.container(network["mode"].partition(":")[2])
        for name in ("hosts", "resolv.conf"):
            _write(f"{directory}/{name}", jsonfile.read_bytes(f"{other}/{name}"), owner)
    else:
        _write(
            directory + "/hosts",
            files.hosts(
                _own_lines(container, connection.attachments),
                [*network["add_host"], *links],
                connection.host_address,
            ),
            owner,
        )
        _write(
            directory + "/resolv.conf",
            files.resolv_conf(
                _host_resolv_conf(),
                own_network=network["mode"] != "host",
                servers=_servers(connection) or network["dns"] or connection.dns,
                search=network["dns_search"],
                options=_options(connection, network["dns_option"]),
            ),
            owner,
        )
    _write(directory + "/hostname", files.hostname(hostname), owner)


def _own_lines(
    container: Container, attachments: Sequence[Attachment]
) -> list[tuple[str, list[str]]]:
    """(address, names) of the container itself on each of its networks."""
    hostname, domain = container.record["hostname"], container.record["domainname"]
    own = [f"{hostname}.{domain}", hostname] if domain else [hostname]  # as Docker's
    aliases = {join.network: join.aliases for join in joined(container)}
    found = [
        (address, [*own, *aliases.get(attachment.network, ())])
        for attachment in attachments
        for address in (attachment.ip, attachment.ip6)
        if address
    ]
    return found or [("127.0.1.1", own)]


def _servers(connection: Connection) -> list[str]:
    """Our own, where one answers."""
    if not any(attachment.aliases for attachment in connection.attachments):
        return []
    from crun_py.net import dns

    return [dns.ADDRESS]


def _options(connection: Connection, given: list[str]) -> list[str]:
    """A name without a dot is a container's first of all, as docker has it."""
    if not _servers(connection) or any(option.startswith("ndots:") for option in given):
        return given
    return [*given, "ndots:0"]


def _write(path: str, data: bytes, owner: tuple[int, int] | None) -> None:
    """In place: a bind mount of the file must go on showing it.  Readable by any user inside;
    owner: uid and gid of the container's root, where that is not ours."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(path, flags, 0o644)
        try:
            os.fchmod(fd, 0o644)
            if owner:
                os.fchown(fd, *owner)
            os.write(fd, data)
        finally:
            os.close(fd)
    except OSError as e:
        raise CrunpyError.from_os(f"writing {path}", e) from e


def _host_resolv_conf() -> bytes:
    """The host's resolv.conf; systemd-resolved's upstream servers instead of its stub."""
    try:
        data = jsonfile.read_bytes("/etc/resolv.conf")
    except FileNotFoundError:
        return b""
    if b"nameserver 127.0.0.53" in data:
        try:
            return jsonfile.read_bytes("/run/systemd/resolve/resolv.conf")
        except FileNotFoundError:
            return data
    return data
