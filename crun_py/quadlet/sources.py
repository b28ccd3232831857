"""Where the files are, and what each says with its drop-ins (podman-systemd.unit(5))."""

from __future__ import annotations

import os

from crun_py.errors import InvalidArgument
from crun_py.quadlet.unit_file import UnitFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

KINDS = {
    "container": "Container",
    "volume": "Volume",
    "network": "Network",
    "image": "Image",
    "build": "Build",
    "pod": "Pod",
    "kube": "Kube",
}
"""Ending of a file's name: its section."""
_INFIX = {"container": "", "kube": ""}
"""What a service's name has behind the file's; `-KIND` for the others."""

SYSTEM = ("/run/containers/systemd", "/etc/containers/systemd", "/usr/share/containers/systemd")
_USERS = "users"


class Source:
    """One file.  stem: its name without the ending; unit: with its drop-ins."""

    def __init__(self, path: str, unit: UnitFile) -> None:
        self.path, self.unit = path, unit
        self.name = os.path.basename(path)
        self.stem, _, self.kind = self.name.rpartition(".")

    @property
    def section(self) -> str:
        return KINDS[self.kind]

    @property
    def service(self) -> str:
        """The name of its service, without `.service`."""
        own = self.unit.last(self.section, "ServiceName")
        if own:
            return own
        infix = _INFIX.get(self.kind, f"-{self.kind}")
        before, at, instance = self.stem.partition("@")
        return f"{before}{infix}{at}{instance}"

    @property
    def is_template(self) -> bool:
        """NAME@.KIND, of which there are services only by their instances."""
        return self.stem.endswith("@")

    def say(self, cause: str) -> InvalidArgument:
        """An error of this file."""
        return InvalidArgument(f"reading {self.path}: {cause}")


def user_directories(uid: int, run: str, config: str) -> list[str]:
    """Where a user's files are, the first counts most.  run: XDG_RUNTIME_DIR, "" for none; config:
    XDG_CONFIG_HOME."""
    top = "/etc/containers/systemd/users"
    own = [f"{run}/containers/systemd"] if run else []
    return [*own, f"{config}/containers/systemd", f"{top}/{uid}", top]


def files(directories: Iterable[str], *, user: bool) -> dict[str, str]:
    """The path of each file by its name, the first of those with the same name.

    user: for a user's services; else what lies in a directory `users` is not for us.
    """
    found: dict[str, str] = {}
    for directory in directories:
        for path in _below(directory, user):
            name = os.path.basename(path)
            stem, _, ending = name.rpartition(".")
            if ending in KINDS and stem:
                found.setdefault(name, path)
    return found


def _below(directory: str, user: bool) -> Iterator[str]:
    """All files in a directory and those in it; links are followed, but no circles."""
    seen: set[tuple[int, int]] = set()
    todo = [directory]
    while todo:
        place = todo.pop(0)
        try:
            status = os.stat(place)
            names = sorted(os.listdir(place))
        except OSError:
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for name in names:
            path = f"{place}/{name}"
            if not os.path.isdir(path):
                yield path
            elif not name.endswith(".d") and not _is_others(directory, path, user):
                todo.append(path)


def _is_others(top: str, path: str, user: bool) -> bool:
    """Whether a directory is for users whom we do not serve: users/UID of others, and all of
    `users` for the system's services."""
    if not user:
        return os.path.basename(path) == _USERS and os.path.dirname(path) == top
    return os.path.basename(top) == _USERS and os.path.basename(path).isdigit()


def load(path: str, directories: Sequence[str]) -> Source:
    """A file with its drop-ins.  Raises InvalidArgument, which names the file."""
    unit = UnitFile()
    for part in (path, *_drop_ins(os.path.basename(path), directories)):
        try:
            with open(part, encoding="utf-8", errors="surrogateescape") as f:
                unit.read(f.read())
        except OSError as e:
            raise InvalidArgument.from_os(f"reading {part}", e) from e
        except InvalidArgument as e:
            raise InvalidArgument(f"reading {part}: {e.message}") from e
    return Source(path, unit)


def _drop_ins(name: str, directories: Sequence[str]) -> list[str]:
    """The drop-ins of a file, in the order in which they are read: of several of one name that of
    the most particular directory."""
    stem, _, kind = name.rpartition(".")
    places = [f"{kind}.d"]
    before, at, instance = stem.partition("@")
    parts = before.split("-")
    places += [f"{'-'.join(parts[:n])}-.{kind}.d" for n in range(1, len(parts))]
    if at and instance:
        places.append(f"{before}@.{kind}.d")
    places.append(f"{name}.d")
    found: dict[str, str] = {}
    for place in places:
        for directory in reversed(directories):
            try:
                names = os.listdir(f"{directory}/{place}")
            except OSError:
                continue
            found |= {n: f"{directory}/{place}/{n}" for n in names if n.endswith(".conf")}
    return [found[name] for name in sorted(found)]
