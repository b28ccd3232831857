"""The text of a Dockerfile as instructions: lines, comments, directives, here-documents and
flags (Dockerfile reference, "Format" and "Parser directives").  Pure.

What the words of each instruction mean is decided in `steps`.
"""

from __future__ import annotations

from crun_py.build import flags as flags_
from crun_py.build import heredoc
from crun_py.build.errors import DockerfileError, Source
from crun_py.build.flags import Flag
from crun_py.build.heredoc import Heredoc
from crun_py.build.nearest import hint
from crun_py.options.instructions import json_list
from crun_py.record import record, replaced

KEYWORDS = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL "
    "STOPSIGNAL USER VOLUME WORKDIR"
).split()
_JSON = ("ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME")
_WITH_HEREDOCS = ("ADD", "COPY", "RUN")
_DIRECTIVES = ("check", "escape", "syntax")


@record
class Instruction:
    """keyword: in capitals; `written` as it stands.  text: what history shows.  flags and
    rest: what follows the keyword.  words: those of a JSON array, else None.  first, last: its
    lines, here-documents included.  comments: the lines before it.  empty: the empty lines
    within.  trigger: of ONBUILD, the instruction that waits."""

    keyword: str
    written: str
    text: str
    flags: tuple[Flag, ...] = ()
    rest: str = ""
    words: tuple[str, ...] | None = None
    heredocs: tuple[Heredoc, ...] = ()
    first: int = 1
    last: int = 1
    comments: tuple[str, ...] = ()
    empty: tuple[int, ...] = ()
    trigger: Instruction | None = None


@record
class Dockerfile:
    """skip, error: of `# check=`, in small letters.  syntax: of `# syntax=`, or ""."""

    source: Source
    instructions: tuple[Instruction, ...]
    syntax: str = ""
    skip: tuple[str, ...] = ()
    error: bool = False
    experimental: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def lines(self) -> tuple[str, ...]:
        return self.source.lines

    @property
    def escape(self) -> str:
        return self.source.escape


def parse(text: bytes | str, name: str = "Dockerfile", *, whole: bool = True) -> Dockerfile:
    """The Dockerfile that `text` is; `name` stands in its errors.

    whole: False for instructions alone, without FROM, as an image's ONBUILD has them.
    Raises DockerfileError.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    lines = tuple(line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n"))
    if lines and not lines[-1]:
        lines = lines[:-1]
    found = _Reader(Source(name, lines)).dockerfile()
    if whole:
        _check_beginning(found)
    return found


def _check_beginning(found: Dockerfile) -> None:
    if not found.instructions:
        raise found.source.error(
            "no instruction in it", max(1, len(found.lines)), hint="FROM image must be the first"
        )
    first = next((i for i in found.instructions if i.keyword != "ARG"), None)
    if first is None or first.keyword != "FROM":
        at = first or found.instructions[-1]
        cause = f"{at.keyword} before FROM" if first else "no FROM in it"
        raise found.source.error(
            cause, at.first, hint="FROM image must come first; only ARG may stand before it"
        )


class _Reader:
    """Reads the lines of `source` from `at` (counted from 0) on."""

    def __init__(self, source: Source) -> None:
        self.source, self.lines, self.at = source, source.lines, 0
        self.comments: list[str] = []
        self.directives: dict[str, str] = {}

    def dockerfile(self) -> Dockerfile:
        self._check_characters()
        self._read_directives()
        found = []
        while self.at < len(self.lines):
            instruction = self._next()
            if instruction:
                found.append(instruction)
        skip, experimental, error = _check_options(self.directives.get("check", ""))
        return Dockerfile(
            source=self.source, instructions=tuple(found), skip=skip, error=error,
            syntax=self.directives.get("syntax", ""), experimental=experimental,
        )  # fmt: skip

    def _check_characters(self) -> None:
        for number, line in enumerate(self.lines, 1):
            if "\0" in line:
                raise self._error("a NUL character: this is no text in UTF-8", number, word="\0")

    def _read_directives(self) -> None:
        """`# name=value` lines before any other line."""
        if self.lines and self.lines[0].startswith("#!"):
            self.at = 1
        while self.at < len(self.lines):
            key, value = _directive(self.lines[self.at])
            if key not in _DIRECTIVES:
                return
            if key in self.directives:
                raise self._error(f"directive {key} is given twice", self.at + 1, word=key)
            if key == "escape":
                if value not in ("\\", "`"):
                    cause = f"{value} cannot be the escape character"
                    raise self._error(cause, self.at + 1, hint="\\ and ` can be")
                self.source.escape = value
            self.directives[key] = value
            self.at += 1

    def _next(self) -> Instruction | None:
        """The instruction that begins at the next line, if one does."""
        line = self.lines[self.at].lstrip()
        if line.startswith("#") or not line:
            # an empty line or comment parts what stands before it from the next instruction
            comment = line[1:].strip()
            self.comments = [*self.comments, comment] if comment else []
            self.at += 1
            return None
        first = self.at + 1
        text, empty = self._joined()
        if not text.strip():
            return None
        found = self._instruction(text.strip(), first)
        heredocs = self._heredocs(found, text)
        comments, self.comments = tuple(self.comments), []
        trigger = found.trigger and _with(found.trigger, heredocs=heredocs)
        return _with(found, heredocs=heredocs, last=self.at, comments=comments,
                     empty=tuple(empty), trigger=trigger)  # fmt: skip

    def _joined(self) -> tuple[str, list[int]]:
        """(the line and those that continue it as one, the empty lines among them)."""
        parts, empty = [], []
        part, more = self._continued(self.lines[self.at].lstrip())
        self.at += 1
        parts.append(part)
        while more and self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if line.lstrip().startswith("#"):
                continue
            if not line.strip():
                empty.append(self.at)
                continue
            part, more = self._continued(line)
            parts.append(part)
        return "".join(parts), empty

    def _continued(self, line: str) -> tuple[str, bool]:
        """(the line without the escape character at its end, whether there was one).

        Two of them are no continuation: the second is what the first escapes.
        """
        stripped, escape = line.rstrip(" \t"), self.source.escape
        if stripped.endswith(escape) and not stripped.endswith(escape * 2):
            return stripped[:-1], True
        return line, False

    def _instruction(self, text: str, first: int, *, outer: str = "") -> Instruction:
        """That of the joined lines `text`, without here-documents."""
        written, *rest = text.split(maxsplit=1)
        keyword = written.upper()
        if keyword not in KEYWORDS:
            near = hint(written, KEYWORDS)
            if written.startswith("//"):
                near = "// begins no comment: # does, at the start of a line"
            raise self._error(f"unknown instruction {written}", first, word=written, hint=near)
        if outer and keyword in ("FROM", "MAINTAINER", "ONBUILD"):
            raise self._error(f"{keyword} cannot come after ONBUILD", first, word=written)
        flags, arguments = flags_.taken(rest[0] if rest else "")
        flags_.check(keyword, flags, self.source, first, self.at)
        trigger = None
        if keyword == "ONBUILD" and arguments:
            trigger = self._instruction(arguments, first, outer=keyword)
        return Instruction(
            keyword=keyword, written=written, text=" ".join([keyword, *rest]), flags=flags,
            rest=arguments, words=self._words(keyword, arguments, first), first=first, last=self.at,
            trigger=trigger,
        )  # fmt: skip

    def _words(self, keyword: str, text: str, first: int) -> tuple[str, ...] | None:
        values = json_list(text) if keyword in _JSON else None
        if values is None:
            return None
        words = [_whole(value) for value in values if isinstance(value, str)]
        if len(words) < len(values):
            cause = f"{keyword}: the words of a JSON array must be strings"
            raise self._error(cause, first, word="[")
        return tuple(words)

    def _heredocs(self, found: Instruction, text: str) -> tuple[Heredoc, ...]:
        """Those that `found` begins, read from the lines behind it."""
        doer = found.trigger or found
        if doer.keyword not in _WITH_HEREDOCS or doer.words is not None:
            return ()
        return tuple(self._filled(begun, found.first) for begun in heredoc.on_line(text))

    def _filled(self, begun: Heredoc, first: int) -> Heredoc:
        start = self.at
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            if heredoc.ends(line, begun):
                text = "".join(f"{line}\n" for line in self.lines[start : self.at - 1])
                return Heredoc(name=begun.name, text=text, expand=begun.expand, chomp=begun.chomp)
        where = "<<-" if begun.chomp else "<<"
        raise self._error(f"here-document {begun.name} does not end", first, word=where,
                          hint=f"a line with {begun.name} alone must end it")  # fmt: skip

    def _error(self, cause: str, line: int, *, word: str = "", hint: str = "") -> DockerfileError:
        return self.source.error(cause, line, last=self.at, word=word, hint=hint)


def _with(found: Instruction, **changes: object) -> Instruction:
    return replaced(found, **changes)


def _whole(text: str) -> str:
    """`text` without halves of surrogate pairs, which JSON can say and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _directive(line: str) -> tuple[str, str]:
    """(name in small letters, value) of `# name = value`; ("", "") for any other line."""
    line = line.strip()
    key, sep, value = line[1:].partition("=")
    if not line.startswith("#") or not sep or not key.strip().isalnum() or not value.strip():
        return "", ""
    return key.strip().lower(), value.strip()


def _check_options(text: str) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """(skip, experimental, error) of `skip=A,B;error=true`, as the directive check has it."""
    options = {}
    for part in text.split(";"):
        key, _, value = part.partition("=")
        options[key.strip().lower()] = value.strip().lower()
    skip, experimental = (
        tuple(name.strip() for name in options.get(key, "").split(",") if name.strip())
        for key in ("skip", "experimental")
    )
    return skip, experimental, options.get("error") in ("true", "1", "t")


__all__ = ["KEYWORDS", "Dockerfile", "DockerfileError", "Flag", "Heredoc", "Instruction", "parse"]
