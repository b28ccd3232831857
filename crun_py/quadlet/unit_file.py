"""Unit files: sections of settings (systemd.syntax(7)), read, merged and written."""

from __future__ import annotations

from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class UnitFile:
    """Sections with their settings, in the order in which they were written."""

    def __init__(self) -> None:
        self.sections: dict[str, list[tuple[str, str]]] = {}

    def read(self, text: str) -> None:
        """Add what a file says; of a drop-in after that of the main file.

        Raises InvalidArgument with the number of the line.
        """
        section = ""
        for number, said in _logical_lines(text):
            if said.startswith("["):
                if not said.endswith("]") or len(said) < 3:
                    raise InvalidArgument(f"line {number}: {said!r} is no section")
                section = said[1:-1]
                self.sections.setdefault(section, [])
                continue
            key, equals, value = said.partition("=")
            if not equals or not key.strip():
                raise InvalidArgument(f"line {number}: {said!r} is no setting")
            if not section:
                raise InvalidArgument(f"line {number}: a setting before the first section")
            self.sections[section].append((key.strip(), value.strip()))

    def keys(self, section: str) -> list[str]:
        """The keys of a section, each once."""
        return list(dict.fromkeys(key for key, _ in self.sections.get(section, [])))

    def all(self, section: str, key: str) -> list[str]:
        """Every value of a key; an empty one forgets those before."""
        found: list[str] = []
        for name, value in self.sections.get(section, []):
            if name == key:
                found = [*found, value] if value else []
        return found

    def last(self, section: str, key: str) -> str:
        """The value of a key that counts where only one can; "" without."""
        found = self.all(section, key)
        return found[-1] if found else ""

    def has(self, section: str, key: str) -> bool:
        return any(name == key for name, _ in self.sections.get(section, []))

    def add(self, section: str, key: str, value: str) -> None:
        """Append a setting."""
        self.sections.setdefault(section, []).append((key, value))

    def begin(self, section: str, settings: Iterable[tuple[str, str]]) -> None:
        """Put settings before those of a section: what the user wrote there comes after, and so
        may forget them."""
        self.sections[section] = [*settings, *self.sections.get(section, [])]

    def text(self, order: Iterable[str] = ("Unit", "Service", "Install")) -> str:
        """The file: sections in `order`, then the others."""
        names = [name for name in order if name in self.sections]
        names += [name for name in self.sections if name not in names]
        parts = []
        for name in names:
            lines = [f"{key}={value}" for key, value in self.sections[name]]
            parts.append("\n".join([f"[{name}]", *lines]))
        return "\n\n".join(parts) + "\n"


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """(number, text) of each line that says something; one that ends in a backslash goes on, and
    comments in between do not count."""
    found: list[tuple[int, str]] = []
    begun: tuple[int, str] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        said = raw.strip()
        if said[:1] in ("#", ";"):
            continue
        if not said and begun is None:
            continue
        first, before = begun or (number, "")
        if raw.rstrip().endswith("\\"):
            begun = (first, before + said[:-1] + " ")
            continue
        begun = None
        found.append((first, (before + said).strip()))
    if begun is not None:
        found.append((begun[0], begun[1].strip()))
    return found
