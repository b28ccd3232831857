"""All files become services: pure, but for the files that are read and those that are written."""

from __future__ import annotations

import os

from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.quadlet import container, kube, objects, sources
from crun_py.quadlet.translate import Translation
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TRANSLATORS: dict[str, Callable[[Translation], None]] = {
    "Container": container.translate,
    "Pod": objects.pod,
    "Volume": objects.volume,
    "Network": objects.network,
    "Image": objects.image,
    "Build": objects.build,
    "Kube": kube.translate,
}
_WANTED_BY = {"WantedBy": "wants", "RequiredBy": "requires", "UpheldBy": "upholds"}


@record
class Service:
    """A service that was made of a file.  name: with `.service`; links: the names, below the
    directory of units, of links that lead to it."""

    name: str
    text: str
    links: tuple[str, ...]
    source: str


@record
class Generated:
    """What all files came to.  errors: one for each that came to nothing."""

    services: tuple[Service, ...]
    errors: tuple[CrunpyError, ...]


def generate(directories: Sequence[str], program: Sequence[str], *, user: bool) -> Generated:
    """The services of the files in `directories`, of which the first counts most.

    program: the words of a command line that is crunpy.  user: for a user's service manager.
    """
    found: dict[str, sources.Source] = {}
    errors: list[CrunpyError] = []
    for name, path in sorted(sources.files(directories, user=user).items()):
        try:
            found[name] = sources.load(path, directories)
        except CrunpyError as e:
            errors.append(e)
    made: dict[str, Service] = {}
    for source in found.values():
        try:
            service = one(source, found, program, user=user)
            if before := made.get(service.name):
                raise source.say(f"{service.name} is that of {before.source}, too")
            made[service.name] = service
        except CrunpyError as e:
            errors.append(e)
    return Generated(services=tuple(made.values()), errors=tuple(errors))


def one(
    source: sources.Source,
    others: dict[str, sources.Source],
    program: Sequence[str],
    *,
    user: bool = False,
) -> Service:
    """The service of one file.  others: all files by name.  Raises InvalidArgument."""
    if source.section not in source.unit.sections:
        raise source.say(f"there is no section [{source.section}]")
    made = Translation(source, others, program, user=user)
    made.check()
    _TRANSLATORS[source.section](made)
    name = f"{source.service}.service"
    if "/" in name or name.startswith("."):
        raise source.say(f"{name!r} cannot be the name of a service")
    head = f"# {source.path} as a service\n"
    return Service(
        name=name, text=head + made.service.text(), links=_links(source, name), source=source.path
    )


def _links(source: sources.Source, name: str) -> tuple[str, ...]:
    """What `systemctl enable` would make of [Install]; that of a template for its default
    instance."""
    unit = source.unit
    target = name
    if source.is_template:
        instance = unit.last("Install", "DefaultInstance")
        if not instance:
            return ()
        target = name.replace("@.", f"@{instance}.")
    found = [a for text in unit.all("Install", "Alias") for a in text.split()]
    for key, ending in _WANTED_BY.items():
        for text in unit.all("Install", key):
            found += [f"{by}.{ending}/{target}" for by in text.split()]
    for link in found:
        if link.count("/") > 1 or any(part in ("", ".", "..") for part in link.split("/")):
            raise source.say(f"[Install]: {link!r} is no name of a unit")
    return tuple(dict.fromkeys(found))


def write(services: Sequence[Service], directory: str) -> None:
    """Write the units and their links below `directory`, as systemd.generator(7) wants it.

    Raises CrunpyError.
    """
    for service in services:
        try:
            os.makedirs(directory, exist_ok=True)
            with open(f"{directory}/{service.name}", "w", encoding="utf-8",
                      errors="surrogateescape") as f:  # fmt: skip
                f.write(service.text)
            for link in service.links:
                path = f"{directory}/{link}"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.symlink(("../" * link.count("/")) + service.name, path)
        except FileExistsError:
            raise InvalidArgument(f"{service.source}: another unit has link {link}") from None
        except OSError as e:
            raise CrunpyError.from_os(f"writing {directory}/{service.name}", e) from e
