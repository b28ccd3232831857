"""podman's connections: podman-connections.json, and in older versions' containers.conf
(podman-system-connection(1), containers.conf(5))."""

from __future__ import annotations

import os

from crun_py import caller, jsonfile
from crun_py.errors import Conflict, CorruptState, CrunpyError, InvalidArgument, NotFound
from crun_py.fields import Fields
from crun_py.paths import configuration
from crun_py.record import record, replaced
from crun_py.remote.endpoint import Endpoint, parse


@record
class Connection:
    """uri: its address; identity: a key for ssh, "" for none; default: of --remote."""

    name: str
    uri: str
    identity: str = ""
    default: bool = False


def _path() -> str:
    named = caller.variable("PODMAN_CONNECTIONS_CONF")
    return named or f"{caller.config_home()}/containers/podman-connections.json"


def _own() -> tuple[str, dict[str, Connection]]:
    """(the default, connections by name) of podman-connections.json.  Raises CrunpyError."""
    path = _path()
    try:
        found = Fields(jsonfile.read(path), path).inner("Connection")
    except FileNotFoundError:
        return "", {}
    except CorruptState as e:
        raise CrunpyError(f"reading {path}: not valid JSON") from e
    kept = {
        name: Connection(name=name, uri=one.text("URI"), identity=one.text("Identity"))
        for name, one in found.each("Connections")
    }
    return found.text("Default"), kept


def _configured() -> tuple[str, dict[str, Connection]]:
    """The same of [engine] in containers.conf."""
    default, kept = "", {}
    for path in configuration():
        import tomllib

        try:
            with open(path, "rb") as f:
                engine = Fields(tomllib.load(f), path).inner("engine")
        except FileNotFoundError:
            continue
        except (OSError, tomllib.TOMLDecodeError) as e:
            raise CrunpyError(f"reading {path}: {e}") from e
        default = engine.text("active_service") or default
        for name, one in engine.each("service_destinations"):
            kept[name] = Connection(name=name, uri=one.text("uri"), identity=one.text("identity"))
    return default, kept


def every() -> list[Connection]:
    """All, by name.  Raises CrunpyError."""
    (default, own), (other, configured) = _own(), _configured()
    default = default or other
    return [
        replaced(one, default=name == default)
        for name, one in sorted({**configured, **own}.items())
    ]


def default() -> str:
    """The name of the one that --remote means, "" for none."""
    return next((one.name for one in every() if one.default), "")


def known(name: str) -> bool:
    """Whether there is one of this name."""
    return any(one.name == name for one in every())


def _find(name: str) -> Connection:
    found = next((one for one in every() if one.name == name), None)
    if found is None:
        raise NotFound(
            f'connection "{name}" does not exist', hint="crunpy system connection ls lists them"
        )
    return found


def endpoint(name: str) -> Endpoint:
    """The place that a connection names.  Raises NotFound, InvalidArgument."""
    found = _find(name)
    return replaced(parse(found.uri), identity=found.identity, name=name)


def add(connection: Connection) -> None:
    """Keep one; the first becomes the default.  Raises InvalidArgument."""
    if not connection.name or "/" in connection.name:
        raise InvalidArgument(f"connection {connection.name!r}: not a name")
    parse(connection.uri)
    chosen, kept = _own()
    if connection.default or not (chosen or default()):
        chosen = connection.name
    _write(chosen, {**kept, connection.name: connection})


def use(name: str) -> None:
    """Make one the default.  Raises NotFound."""
    _find(name)
    _, kept = _own()
    _write(name, kept)


def rename(old: str, new: str) -> None:
    """Raises NotFound, Conflict."""
    chosen, kept = _own()
    _changeable(old, kept)
    if known(new):
        raise Conflict(f'connection "{new}" already exists')
    moved = replaced(kept.pop(old), name=new)
    _write(new if chosen == old else chosen, {**kept, new: moved})


def remove(name: str) -> None:
    """Forget one.  Raises NotFound."""
    chosen, kept = _own()
    _changeable(name, kept)
    del kept[name]
    _write("" if chosen == name else chosen, kept)


def _changeable(name: str, kept: dict[str, Connection]) -> None:
    if name not in kept:
        found = _find(name)
        raise Conflict(f"connection {found.name}: it is in containers.conf", hint="edit that file")


def _write(chosen: str, kept: dict[str, Connection]) -> None:
    connections = {
        one.name: {"URI": one.uri, **({"Identity": one.identity} if one.identity else {})}
        for one in kept.values()
    }
    value = {
        "Connection": {"Default": chosen, "Connections": connections}, "Farm": _farm(),
    }  # fmt: skip
    path = _path()
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    jsonfile.write_bytes(path, jsonfile.dumps(value).encode())


def _farm() -> object:
    """What podman keeps beside: it stays."""
    try:
        found = jsonfile.read(_path())
    except (FileNotFoundError, CorruptState):
        return {}
    return found.get("Farm", {}) if isinstance(found, dict) else {}
