"""Here-documents of RUN, COPY and ADD: `<<EOF`, `<<-EOF`, `<<"EOF"` (Dockerfile reference,
"Here-documents").  Pure."""

from __future__ import annotations

from crun_py.options.expand import expand, split
from crun_py.record import record


@record
class Heredoc:
    """name: the word that ends it.  text: its lines, as they stand.  expand: no part of the
    word was quoted.  chomp: `<<-`, tabs that begin its lines do not count."""

    name: str
    text: str = ""
    expand: bool = True
    chomp: bool = False

    @property
    def content(self) -> str:
        """The text without the tabs that `<<-` removes."""
        if not self.chomp:
            return self.text
        lines = self.text.split("\n")
        return "\n".join(line.lstrip("\t") for line in lines)


def begun(word: str) -> Heredoc | None:
    """The here-document that the word begins, still empty; None if it begins none."""
    rest = word.lstrip("0123456789")  # a descriptor, which nothing uses
    if not rest.startswith("<<"):
        return None
    rest = rest[2:]
    chomp = rest.startswith("-")
    rest = rest[chomp:]
    if "<" in rest or len(split(rest)) != 1 or rest != rest.strip():
        return None
    try:
        name = expand(rest, {}, keep_unset=True)
    except ValueError:
        return None
    if not name or "\n" in name:
        return None
    quoted = sum(rest.count(q) - name.count(q) for q in "'\"")
    return Heredoc(name=name, expand=quoted == 0, chomp=chomp)


def on_line(text: str) -> list[Heredoc]:
    """The here-documents that an instruction begins, in order."""
    if "<<" not in text:
        return []
    return [found for word in split(text) if (found := begun(word))]


def ends(line: str, heredoc: Heredoc) -> bool:
    """Whether the line is the one that ends it."""
    return (line.lstrip("\t") if heredoc.chomp else line) == heredoc.name
