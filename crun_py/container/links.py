"""Links: docker's old way to tell a container where another one is.

A line in /etc/hosts, and variables in the environment made of the other's exposed ports and
its own variables.  docs.docker.com, "Legacy container links".
"""

from __future__ import annotations

from crun_py import state
from crun_py.errors import Conflict, InvalidArgument, NotFound, Unsupported
from crun_py.net import attached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.container import Link
    from crun_py.paths import Paths
    from crun_py.state import Container


def chosen(paths: Paths, links: tuple[tuple[str, str], ...], network_mode: str) -> list[Link]:
    """(container, alias) pairs for the record.  Raises InvalidArgument, NotFound."""
    for name, alias in links:
        if not alias or not all(c.isalnum() or c in "_.-" for c in alias):
            raise InvalidArgument(f"link {name}:{alias!r}: not a name")  # it goes into /etc/hosts
        if network_mode in ("host", "none") or ":" in network_mode:
            raise InvalidArgument(
                f"link {name}:{alias}: network mode {network_mode!r} has no links"
            )
    return [{"id": state.resolve(paths, name), "alias": alias} for name, alias in links]


def present(container: Container) -> list[tuple[Link, Container]]:
    """The links of a container to those that are there."""
    found = []
    for link in container.record["links"]:
        try:
            found.append((link, state.load(container.paths, link["id"])))
        except NotFound:
            continue  # it was removed
    return found


def resolve(container: Container, *, rootless: bool) -> tuple[list[str], list[str]]:
    """(entries as of --add-host, variables) of the links of `container`, as they are now.

    Raises Conflict when the other container does not run, Unsupported for a user: the
    networks of a user's containers do not meet.
    """
    links = container.record["links"]
    own = container.networks
    if links and rootless and own == ["bridge"]:
        raise Unsupported(
            f"linking container {container.name}: a user's containers share no default network",
            hint="crunpy network create NAME, and --network NAME for both",
        )
    hosts: list[str] = []
    variables: list[str] = []
    for link in links:
        other = state.load(container.paths, link["id"])
        if not other.status().running:
            raise Conflict(
                f"linking container {container.name}: {other.name} is not running",
                hint=f"crunpy start {other.name}",
            )
        addresses = [a.ip or a.ip6 for a in attached.of(other) if a.network in own]
        if not addresses:
            raise Conflict(
                f"linking container {container.name}: {other.name} is on none of its networks",
                hint=f"crunpy network connect {own[0]} {other.name}",
            )
        address = addresses[0]
        names = dict.fromkeys((link["alias"], other.record["hostname"], other.name))
        hosts.append(";".join(names) + ":" + address)
        variables += _variables(container, other, link["alias"], address)
    return hosts, variables


def _variables(container: Container, other: Container, alias: str, address: str) -> list[str]:
    prefix = alias.upper().replace("-", "_").replace(".", "_")
    config = other.record["config"]
    found = [f"{prefix}_NAME=/{container.name}/{alias}"]
    ports = sorted(config["exposed"], key=lambda port: (int(port.split("/")[0]), port))
    for n, port in enumerate(ports):
        number, _, protocol = port.partition("/")
        url = f"{protocol}://{address}:{number}"
        stem = f"{prefix}_PORT_{number}_{protocol.upper()}"
        found += [f"{prefix}_PORT={url}"] if n == 0 else []
        found += [f"{stem}={url}", f"{stem}_ADDR={address}", f"{stem}_PORT={number}"]
        found.append(f"{stem}_PROTO={protocol}")
    own = (entry.partition("=") for entry in config["env_chosen"])
    return found + [f"{prefix}_ENV_{key}={value}" for key, _, value in own if key != "PATH"]
