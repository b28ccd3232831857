"""Errors that point into a Dockerfile, and the text that they point into."""

from __future__ import annotations

from crun_py.errors import InvalidArgument, printable

_AROUND = 2
"""Lines shown before and behind the one that is wrong."""


class DockerfileError(InvalidArgument):
    """A Dockerfile says what it must not.

    name:   of the file.
    line, column: where in it, from 1.
    shown:  the lines around, numbered, the wrong one marked; "" where the text is not known.
    """

    exit_code = 1

    def __init__(self, cause: str, *, source: Source, line: int, column: int = 1,
                 hint: str = "") -> None:  # fmt: skip
        super().__init__(f"{source.name}:{line}:{column}: {cause}", hint=hint)
        self.cause, self.name, self.line_number, self.column = cause, source.name, line, column
        self.shown = source.excerpt(line)


class Source:
    """The text of a Dockerfile by lines, its name, and the character that escapes in it."""

    __slots__ = ("escape", "lines", "name")

    def __init__(self, name: str = "Dockerfile", lines: tuple[str, ...] = (),
                 escape: str = "\\") -> None:  # fmt: skip
        self.name, self.lines, self.escape = name, lines, escape

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    def __eq__(self, other: object) -> bool:
        """By what it means for a step: where the step stands is in its `line`."""
        return isinstance(other, Source) and self.escape == other.escape

    def __hash__(self) -> int:
        return hash(self.escape)

    def excerpt(self, line: int) -> str:
        """The lines around `line`, as a person sees them."""
        first = max(1, line - _AROUND)
        last = min(len(self.lines), line + _AROUND)
        width = len(str(last))
        rows = []
        for number in range(first, last + 1):
            mark = ">>>" if number == line else "   "
            text = printable(self.lines[number - 1].expandtabs(4))[:200]
            rows.append(f"{mark} {number:>{width}} | {text}".rstrip())
        return "\n".join(rows)

    def error(self, cause: str, line: int, *, last: int = 0, word: str = "",
              hint: str = "") -> DockerfileError:  # fmt: skip
        """An error of the instruction on the lines from `line` to `last`, at `word` in it."""
        at, column = self._found(line, max(line, last), word)
        return DockerfileError(printable(cause), source=self, line=at, column=column, hint=hint)

    def _found(self, first: int, last: int, word: str) -> tuple[int, int]:
        """(line, column) of `word` within the lines; else of the first character."""
        for number in range(first, min(last, len(self.lines)) + 1):
            column = self.lines[number - 1].find(word) if word else -1
            if column >= 0:
                return number, column + 1
        text = self.lines[first - 1] if 0 < first <= len(self.lines) else ""
        return first, len(text) - len(text.lstrip()) + 1


NOWHERE = Source()
