"""From a file to the service that carries it out; what all kinds have in common."""

from __future__ import annotations

import os

from crun_py.errors import InvalidArgument
from crun_py.quadlet import keys, words
from crun_py.quadlet.unit_file import UnitFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crun_py.quadlet.sources import Source

_DEPENDENCIES = ("Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "Conflicts",
                 "Before", "After")  # fmt: skip


class Translation:
    """A file on its way to a service: the file, the service so far, and all the other files.

    program: the words of a command line that is crunpy; user: the service is a user's.
    """

    def __init__(
        self, source: Source, others: Mapping[str, Source], program: Sequence[str], *, user: bool
    ) -> None:
        self.source, self.others = source, others
        self.program, self.user = list(program), user
        self.section = source.section
        self.service = UnitFile()
        for name, settings in source.unit.sections.items():
            # what systemd does not know it passes over in silence, when it begins with X-
            own = name in (self.section, "Quadlet")
            self.service.sections[f"X-{name}" if own else name] = [*settings]

    # ---- what the file says ----

    def all(self, key: str) -> list[str]:
        return self.source.unit.all(self.section, key)

    def last(self, key: str) -> str:
        return self.source.unit.last(self.section, key)

    def truth(self, key: str, otherwise: bool = False) -> bool:
        """A key that says yes or no.  Raises InvalidArgument."""
        text = self.last(key)
        try:
            return words.truth(text) if text else otherwise
        except InvalidArgument as e:
            raise self.source.say(f"{key}={e.message}") from e

    def words(self, key: str) -> list[str]:
        """The words of all lines of a key.  Raises InvalidArgument."""
        try:
            return [word for text in self.all(key) for word in words.split(text)]
        except InvalidArgument as e:
            raise self.source.say(f"{key}={e.message}") from e

    def check(self) -> None:
        """Raises InvalidArgument for a key that there is not, or that cannot hold here."""
        table, own = keys.TABLES[self.section], keys.OWN[self.section]
        for key in self.source.unit.keys(self.section):
            if key in table or key in own:
                continue
            why = keys.REFUSED_OF.get((self.section, key)) or keys.REFUSED.get(key)
            raise self.source.say(
                f"key {key} in [{self.section}] is not supported: {why}"
                if why
                else f"key {key} is not known in [{self.section}]"
            )
        for key in self.source.unit.keys("Quadlet"):
            if key != "DefaultDependencies":
                raise self.source.say(f"key {key} is not known in [Quadlet]")

    # ---- what comes of it ----

    def command(self, *verb: str) -> list[str]:
        """The words of a command of ours, with GlobalArgs."""
        return [*self.program, *self.words("GlobalArgs"), *verb]

    def options(self) -> list[str]:
        """The options that the keys of the section's table say, in the table's order."""
        found: list[str] = []
        for key, (kind, option) in keys.TABLES[self.section].items():
            if kind == keys.ONE:
                found += [f"{option}={value}" for value in self.all(key)[-1:]]
            elif kind == keys.MANY:
                found += [f"{option}={value}" for value in self.all(key)]
            elif kind in (keys.WORDS, keys.PAIRS):
                found += [f"{option}={value}" for value in self.words(key)]
            elif self.all(key):
                on = self.truth(key)
                if kind == keys.SWITCH:
                    found.append(f"{option}={'true' if on else 'false'}")
                elif on:
                    found.append(option)
        return found

    def needs(self, other: Source) -> None:
        """The service of another file must be there before."""
        for key in ("Requires", "After"):
            self.service.add("Unit", key, f"{other.service}.service")

    def other(self, name: str) -> Source:
        """The file `name`, which this one names.  Raises InvalidArgument when it is missing."""
        found = self.others.get(name)
        if found is None:
            raise self.source.say(f"{name} is not among the files")
        return found

    def resource(self, name: str) -> str:
        """What the object is called that the file `name` makes, which is needed."""
        other = self.other(name)
        self.needs(other)
        return resource_of(other)

    def absolute(self, path: str) -> str:
        """A path that may be relative to the file; one that begins with a specifier is not."""
        if path.startswith(("/", "%")):
            return path
        return os.path.normpath(os.path.join(os.path.dirname(self.source.path), path))

    def volume(self, text: str) -> str:
        """A value of Volume=, whose source may be a .volume file or relative."""
        where, colon, rest = text.partition(":")
        if not colon:
            return text
        if where.endswith(".volume"):
            where = self.resource(where)
        elif where.startswith("."):
            where = self.absolute(where)
        return f"{where}:{rest}"

    def network(self, text: str) -> str:
        """A value of Network=, which may name a .network or .container file."""
        name, colon, rest = text.partition(":")
        if name.endswith(".network"):
            return self.resource(name) + colon + rest
        if name.endswith(".container"):
            return f"container:{self.resource(name)}"
        return text

    def image(self, name: str) -> str:
        """An image, which an .image or .build file may make."""
        return self.resource(name) if name.endswith((".image", ".build")) else name

    def begin_unit(self) -> None:
        """The section [Unit]: where it is from, and what comes before."""
        unit = self.service
        for key in _DEPENDENCIES:
            for i, (name, value) in enumerate(unit.sections.get("Unit", [])):
                if name == key:
                    unit.sections["Unit"][i] = (name, self._services(value))
        own = [("SourcePath", self.source.path)]
        quadlet = self.source.unit.last("Quadlet", "DefaultDependencies")
        try:
            waits = words.truth(quadlet) if quadlet else True
        except InvalidArgument as e:
            raise self.source.say(f"DefaultDependencies={e.message}") from e
        if waits and not self.user:  # a user's units cannot wait for the system's
            own += [("Wants", "network-online.target"), ("After", "network-online.target")]
        unit.begin("Unit", own)

    def _services(self, value: str) -> str:
        """The services of files that are named among the units of `value`."""
        from crun_py.quadlet.sources import KINDS

        found = []
        for word in value.split():
            is_file = word.rpartition(".")[2] in KINDS
            found.append(f"{self.other(word).service}.service" if is_file else word)
        return " ".join(found)

    def once(self, command: Sequence[str]) -> None:
        """The section [Service] of what is made once, by one command."""
        service = self.service
        for key, value in (("Type", "oneshot"), ("RemainAfterExit", "yes"),
                           ("SyslogIdentifier", "%N")):  # fmt: skip
            if not service.has("Service", key):
                service.add("Service", key, value)
        service.add("Service", "ExecStart", words.line([*command]))


def resource_of(source: Source) -> str:
    """What the object is called that a file makes, for others that use it."""
    unit, section = source.unit, source.section
    if section == "Image":
        return unit.last(section, "ImageTag") or unit.last(section, "Image")
    if section == "Build":
        tags = unit.all(section, "ImageTag")
        return tags[0] if tags else ""
    before, at, instance = source.stem.partition("@")
    usual = f"systemd-{before}_{instance or '%i'}" if at else f"systemd-{before}"
    return unit.last(section, f"{section}Name") or usual
