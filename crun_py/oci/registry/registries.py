"""Where a reference is fetched from: registries.conf(5) version 2, and docker's daemon.json.

Docker's rule for short names (docker.io) holds unless registries.conf says otherwise: an
alias wins, then unqualified-search-registries in order.
"""

from __future__ import annotations

import os
import tomllib
from typing import TypeVar

from crun_py import caller, jsonfile
from crun_py.errors import CorruptState, CrunpyError, InvalidArgument, RegistryError
from crun_py.oci.reference import (
    DEFAULT_REGISTRY,
    Reference,
    is_short,
    parse,
)
from crun_py.record import record

DOCKER_API_HOST = "registry-1.docker.io"
T = TypeVar("T")


class Endpoint:
    """One place to ask for a repository.

    host:      host[:port] of the API (docker.io is asked at registry-1.docker.io)
    registry:  the host as users and configuration files know it
    insecure:  plain http and unverified certificates are allowed
    is_mirror: a failure here falls through to the next endpoint
    """

    __slots__ = ("host", "insecure", "is_mirror", "registry", "repository")

    def __init__(
        self, registry: str, repository: str, *, insecure: bool = False, is_mirror: bool = False
    ) -> None:
        self.registry = registry
        self.host = DOCKER_API_HOST if registry == DEFAULT_REGISTRY else registry
        self.repository = repository
        self.insecure = insecure
        self.is_mirror = is_mirror


@record
class _Place:
    """A registry or mirror of registries.conf.  pulls: a mirror's pull-from-mirror."""

    location: str
    insecure: bool
    pulls: str


@record
class _Entry:
    """A [[registry]] of registries.conf."""

    place: _Place = _Place(location="", insecure=False, pulls="all")
    blocked: bool = False
    by_digest_only: bool = False
    mirrors: tuple[_Place, ...] = ()


class Registries:
    """The configuration, read once."""

    def __init__(self, files: list[str] | None = None, daemon_json: str | None = None) -> None:
        """files: registries.conf files, later ones win; None: where they are on this host.

        Raises CrunpyError naming the file that cannot be read.
        """
        self.search: list[str] = []
        self.aliases: dict[str, str] = {}
        self._entries: dict[str, _Entry] = {}
        for path in _files() if files is None else files:
            self._read(path)
        docker = daemon_settings([daemon_json] if daemon_json is not None else None)
        self.docker_mirrors = _texts(docker.get("registry-mirrors"))
        self.docker_insecure = _texts(docker.get("insecure-registries"))

    def candidates(self, text: str) -> list[Reference]:
        """What the user's `text` can mean, best first.  Raises InvalidArgument."""
        if not is_short(text):
            return [parse(text)]
        name, suffix = _split_suffix(text)
        if alias := self.aliases.get(name):
            return [parse(alias + suffix)]
        if self.search:
            return [parse(f"{registry}/{text}") for registry in self.search]
        return [parse(text)]

    def endpoints(self, reference: Reference) -> list[Endpoint]:
        """Where to ask for `reference`: mirrors first, the registry itself last.

        Raises RegistryError when the registry is blocked by configuration.
        """
        prefix, entry = self._entry(reference.name)
        if entry.blocked:
            raise RegistryError(
                f"pulling {reference}: registry {prefix} is blocked in registries.conf"
            )
        found = [
            self._endpoint(reference, prefix, mirror, is_mirror=True)
            for mirror in entry.mirrors
            if _mirror_serves(mirror, entry, reference)
        ]
        if reference.registry == DEFAULT_REGISTRY:
            for mirror in self.docker_mirrors:
                found.append(self._docker_mirror(mirror, reference))
        found.append(self._endpoint(reference, prefix, entry.place, is_mirror=False))
        return found

    def _endpoint(
        self, reference: Reference, prefix: str, place: _Place, *, is_mirror: bool
    ) -> Endpoint:
        location = place.location
        name = reference.name
        if location and not prefix.startswith("*."):
            name = location.rstrip("/") + name[len(prefix) :]
        elif location:
            name = f"{location.rstrip('/')}/{reference.repository}"
        # a location is host/path, never a short name
        registry, _, repository = name.partition("/")
        Reference(registry, repository, "latest")
        insecure = place.insecure or registry in self.docker_insecure
        return Endpoint(registry, repository, insecure=insecure, is_mirror=is_mirror)

    def _docker_mirror(self, url: str, reference: Reference) -> Endpoint:
        scheme, _, rest = url.partition("://")
        host, _, path = rest.strip("/").partition("/")
        repository = f"{path}/{reference.repository}" if path else reference.repository
        insecure = scheme == "http" or host in self.docker_insecure
        return Endpoint(host, repository, insecure=insecure, is_mirror=True)

    def _entry(self, name: str) -> tuple[str, _Entry]:
        """The entry with the longest prefix of `name`; "" and an empty one when there is none."""
        best = ""
        for prefix in self._entries:
            if _matches(prefix, name) and len(prefix) > len(best):
                best = prefix
        return best, self._entries.get(best, _Entry())

    def _read(self, path: str) -> None:
        try:
            with open(path, "rb") as f:
                value = tomllib.load(f)
        except FileNotFoundError:
            return
        except OSError as e:
            raise CrunpyError.from_os(f"reading {path}", e) from e
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as e:
            raise CrunpyError(f"reading {path}: {e}") from e
        try:
            self.search = _list(value, "unqualified-search-registries", str, self.search)
            aliases = _field(value, "aliases", dict, {})
            self.aliases.update({k: _field(aliases, k, str, "") for k, v in aliases.items() if v})
            for table in _list(value, "registry", dict, []):
                prefix = _field(table, "prefix", str, "") or _field(table, "location", str, None)
                self._entries[prefix.rstrip("/")] = _entry(table)
        except TypeError as e:
            raise CrunpyError(
                f"reading {path}: not a registries.conf of version 2: {e}",
                hint="see containers-registries.conf(5)",
            ) from e

    def mirrors(self) -> list[str]:
        """Where docker.io's images are looked for first, as URLs or host/path."""
        entry = self._entries.get(DEFAULT_REGISTRY, _Entry())
        return [mirror.location for mirror in entry.mirrors] + self.docker_mirrors

    def insecure(self) -> list[str]:
        """Registries that plain http and unverified certificates are allowed for."""
        found = [prefix for prefix, entry in self._entries.items() if entry.place.insecure]
        return found + self.docker_insecure


def _entry(table: dict[str, object]) -> _Entry:
    """Raises TypeError, as `_field`."""
    return _Entry(
        place=_place(table),
        blocked=_field(table, "blocked", bool, False),
        by_digest_only=_field(table, "mirror-by-digest-only", bool, False),
        mirrors=tuple(_place(mirror) for mirror in _list(table, "mirror", dict, [])),
    )


def _place(table: dict[str, object]) -> _Place:
    return _Place(
        location=_field(table, "location", str, ""),
        insecure=_field(table, "insecure", bool, False),
        pulls=_field(table, "pull-from-mirror", str, "all"),
    )


def _field(table: dict[str, object], name: str, kind: type[T], otherwise: T | None) -> T:
    """A value of this type, `otherwise` where there is none.  Raises TypeError."""
    found = table.get(name, otherwise)
    if not isinstance(found, kind):
        raise TypeError(f"{name} is not of type {kind.__name__}")
    return found


def _list(table: dict[str, object], name: str, kind: type[T], otherwise: list[T]) -> list[T]:
    found = _field(table, name, list, otherwise)
    if not all(isinstance(one, kind) for one in found):
        raise TypeError(f"{name} has a value that is not of type {kind.__name__}")
    return found


def daemon_settings(files: list[str] | None = None) -> dict[str, object]:
    """What docker's daemon.json says: the machine's, and over it the user's own.

    One that cannot be read or is no JSON object says nothing.  CRUNPY_REGISTRY_MIRRORS,
    CRUNPY_INSECURE_REGISTRIES and CRUNPY_LABELS, which the options --registry-mirror … of `daemon`
    set, say more, with blanks between.
    """
    config = caller.config_home()
    found: dict[str, object] = {}
    for path in files or ["/etc/docker/daemon.json", config + "/docker/daemon.json"]:
        try:
            value = jsonfile.read(path)
        except (FileNotFoundError, NotADirectoryError, PermissionError, CorruptState):
            continue
        if isinstance(value, dict):
            found |= value
    for key, name in _VARIABLES.items():
        if further := caller.variable(name).split():
            found[key] = [*further, *_texts(found.get(key))]
    return found


_VARIABLES = {
    "registry-mirrors": "CRUNPY_REGISTRY_MIRRORS",
    "insecure-registries": "CRUNPY_INSECURE_REGISTRIES",
    "labels": "CRUNPY_LABELS",
}


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def _files() -> list[str]:
    """The main file and its drop-ins, in the order in which they are read."""
    if one := caller.variable("CONTAINERS_REGISTRIES_CONF"):
        return [one]
    config = caller.config_home()
    mine = config + "/containers/registries.conf"
    etc = "/etc/containers/registries.conf"
    files = [mine if os.path.exists(mine) else etc]
    for directory in (etc + ".d", mine + ".d"):
        if os.path.isdir(directory):
            names = sorted(n for n in os.listdir(directory) if n.endswith(".conf"))
            files += [f"{directory}/{name}" for name in names]
    return files


def _split_suffix(text: str) -> tuple[str, str]:
    """(name, ":tag" and "@digest" as written)"""
    end = text.find("@")
    end = len(text) if end < 0 else end
    colon = text.rfind(":", 0, end)
    cut = colon if colon > text.rfind("/", 0, end) else end
    return text[:cut], text[cut:]


def _matches(prefix: str, name: str) -> bool:
    if prefix.startswith("*."):
        return name.partition("/")[0].partition(":")[0].endswith(prefix[1:])
    return name == prefix or name.startswith(prefix + "/")


def _mirror_serves(mirror: _Place, entry: _Entry, reference: Reference) -> bool:
    how = "digest-only" if entry.by_digest_only else mirror.pulls
    if how not in ("all", "digest-only", "tag-only"):
        raise InvalidArgument(f"reading registries.conf: pull-from-mirror is {how!r}")
    return how == "all" or (how == "digest-only") == bool(reference.digest)


def host_only(host: str) -> str:
    """`host` without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether host[:port] is this machine by name: docker allows plain http there."""
    name = host_only(host).lower().rstrip(".")
    if name in ("localhost", "::1") or name.endswith(".localhost"):
        return True
    parts = name.split(".")
    return (
        len(parts) == 4
        and all(p.isascii() and p.isdigit() and int(p[:4]) < 256 for p in parts)
        and parts[0] == "127"
    )
