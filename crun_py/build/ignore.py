"""What .dockerignore hides from the build context (docs.docker.com, "Build context";
moby/patternmatcher).  Pure."""

from __future__ import annotations

from crun_py.build.patterns import Pattern
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Ignore:
    """The patterns of a .dockerignore; also those of COPY --exclude (`of`).

    The last pattern that matches a path, or a directory that it is in, decides; one that
    begins with ! shows again what those before it hide.  Raises InvalidArgument for a pattern
    that is none.
    """

    def __init__(self, text: bytes | str = "", name: str = ".dockerignore") -> None:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        self.name = name
        self._rules: list[tuple[bool, str, Pattern]] = []
        self._known: dict[str, tuple[bool, ...]] = {}
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            if not line.startswith("#") and line.strip():
                self._add(line.strip(), f"{name}:{number}")

    @classmethod
    def of(cls, patterns: Iterable[str], name: str = "--exclude") -> Ignore:
        """That of single patterns."""
        made = cls(name=name)
        for pattern in patterns:
            if pattern.strip():
                made._add(pattern.strip(), name)
        return made

    def __bool__(self) -> bool:
        return bool(self._rules)

    def _add(self, text: str, where: str) -> None:
        shows = text.startswith("!")
        cleaned = _clean(text[shows:].strip())
        if not cleaned:
            raise InvalidArgument(f"{where}: ! and no pattern")
        try:
            self._rules.append((shows, text, Pattern(cleaned, deep=True)))
        except InvalidArgument as e:
            raise InvalidArgument(f"{where}: {e.message}", hint=e.hint) from None

    def hides(self, path: str, is_directory: bool = False) -> bool:
        """Whether `path`, relative to the context, is hidden; a directory is as a file is."""
        rule = self._deciding(_clean(path))
        return rule is not None and not rule[0]

    def matched_by(self, path: str) -> str:
        """The pattern that decides about `path`, as it was written; "" if none does."""
        rule = self._deciding(_clean(path))
        return rule[1] if rule else ""

    def may_skip(self, directory: str) -> bool:
        """Whether `directory` and all that can be below it is hidden."""
        directory = _clean(directory)
        if not self.hides(directory):
            return False
        bits = self._bits(directory)
        return not any(
            shows and not bit and pattern.may_match_below(directory)
            for bit, (shows, _, pattern) in zip(bits, self._rules, strict=True)
        )

    def _deciding(self, path: str) -> tuple[bool, str, Pattern] | None:
        if not self._rules or path in (".", ""):
            return None
        parent = path.rpartition("/")[0]
        above = self._bits(parent)
        deciding, hidden = None, False
        for bit, rule in zip(above, self._rules, strict=True):
            # a pattern that would change nothing need not be looked at
            if rule[0] == hidden and (bit or rule[2].matches(path)):
                deciding, hidden = rule, not rule[0]
        return deciding

    def _bits(self, directory: str) -> tuple[bool, ...]:
        """Which patterns match `directory` or one that it is in."""
        if not directory:
            return (False,) * len(self._rules)
        found = self._known.get(directory)
        if found is None:
            above = self._bits(directory.rpartition("/")[0])
            found = tuple(bit or rule[2].matches(directory)
                          for bit, rule in zip(above, self._rules, strict=True))  # fmt: skip
            self._known[directory] = found
        return found


def _clean(path: str) -> str:
    """As Go's filepath.Clean, without a slash at the start; "" for nothing."""
    if path and path[0] not in "./" and path[-1] != "/" and "//" not in path and "/." not in path:
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", ".") and not (part == ".." and path.startswith("/")):
            parts.append(part)
    return "/".join(parts) or (path and ("/" if path.startswith("/") else "."))
