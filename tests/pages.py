"""The examples in pages of Markdown, and whether what came of one is what its page shows.

A block, indented by four or fenced, is an example when a line of it begins with `$ ` (commands,
each followed by what it prints) or `>>> ` (Python), or when it is Python otherwise.  In HTML
comments, which readers do not see:

    <!-- not run: REASON -->   the next block cannot be run by the tests
    <!-- first: COMMAND -->    a command that comes before the next block
    <!-- end: COMMAND -->      a command when all of the page is done
    <!-- run as root -->       anywhere: the page's examples are root's

What `cat FILE` shows becomes the file when there is none.  A line `…` stands for any lines, `…` in
a line for anything in it.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field

_COMMENT = re.compile(r"<!-- (not run|first|end): (.+?) -->", re.DOTALL)
_BARE = re.compile(r"(sudo )?(crunpy|podman|docker|kubectl|apt|pip|pipx|make|mkdir|cp|uv) ")
"""How a line of a block begins that is a command without `$ `."""
_PYTHON = re.compile(
    r"(import |from \S+ import |(async )?(with|def|for) .*:$|\w+ = \w+\.)", re.MULTILINE
)
_LOOSE = (  # what is another one each time, in this order
    (r"\b[0-9a-f]{64}\b|\b[0-9a-f]{25}\b|\b[0-9a-f]{12}\b", "ID"),
    (r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z| ?[+-]\d{4}( UTC)?)?|\d\d/\w{3}/\d{4}:[\d:]+ \+\d{4}", "TIME"),
    (r"\b\w{3} \w{3} [ \d]\d [\d:]{8} \w+ \d{4}\b", "TIME"),
    (r"(Less than a|About an?|\d+) (second|minute|hour|day|week|month)s?\b", "SPAN"),
    (r"\b[\d.]+ ?([kKMGT]i?)?B\b", "SIZE"),
    (r"\b\d+\.[\d.]*\d\b", "N"),
    (r"^ *\d+ (?=[a-z])", ""),  # of steps of a plan
    (r"\b\d{4,}\b", "N"),
    (r"[ \t]+", " "),
)  # fmt: skip


@dataclass
class Step:
    """A command or statement.  shown: the lines that the page has below it, or None."""

    line: int
    text: str
    shown: list[str] | None = None


@dataclass
class Example:
    """line: where it begins in its page;  kind: shell, console (Python with >>>) or python."""

    line: int
    kind: str
    steps: list[Step]
    first: list[str] = field(default_factory=list)


@dataclass
class Page:
    as_root: bool
    examples: list[Example]
    end: list[str]
    unmarked: list[int]
    """Lines of blocks that neither run nor say why."""


def read(text: str) -> Page:
    """All that a page has to be run."""
    page = Page("<!-- run as root -->" in text, [], [], [])
    marks: list[tuple[str, str]] = []
    for line, chunk, is_block in _chunks(text):
        if not is_block:
            found = [(kind, said.replace("\n", " ")) for kind, said in _COMMENT.findall(chunk)]
            page.end += [said for kind, said in found if kind == "end"]
            marks += [mark for mark in found if mark[0] != "end"]
            continue
        first, unable = [s for k, s in marks if k == "first"], any(k == "not run" for k, _ in marks)
        marks = []
        example = _example(line, chunk)
        if example and not unable:
            example.first = first
            page.examples.append(example)
        elif not unable and any(_BARE.match(each) for each in chunk.splitlines()):
            page.unmarked.append(line)
    return page


def _chunks(text: str) -> list[tuple[int, str, bool]]:
    """Line numbers, texts, and whether they are blocks."""
    found: list[tuple[int, list[str], bool]] = []
    fence, before_empty = "", True
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r" *```", line)
        if mark:
            fence = "" if fence else "```"
            found.append((number + 1, [], bool(fence)))
            continue
        in_block = bool(found) and found[-1][2]
        indented = line.startswith("    ") and (before_empty or in_block)
        is_block = bool(fence) or indented or (in_block and not line.strip())
        if not found or found[-1][2] != is_block:
            found.append((number, [], is_block))
        found[-1][1].append(line)
        before_empty = not line.strip()
    return [
        (n, textwrap.dedent("\n".join(lines)).rstrip("\n"), b) for n, lines, b in found if lines
    ]


def _example(line: int, block: str) -> Example | None:
    lines = block.splitlines()
    if any(each.startswith("$ ") for each in lines):
        return Example(line, "shell", _steps(line, lines))
    if any(each.startswith(">>> ") for each in lines):
        return Example(line, "console", [Step(line, block)])
    if _PYTHON.match(block):
        return Example(line, "python", [Step(line, block)])
    return None


def _steps(line: int, lines: list[str]) -> list[Step]:
    steps: list[Step] = []
    goes_on = False
    for number, each in enumerate(lines, line):
        if goes_on:
            steps[-1].text += "\n" + each
        elif each.startswith("$ "):
            steps.append(Step(number, each[2:]))
        elif steps:
            steps[-1].shown = [*(steps[-1].shown or []), each]
        goes_on = (goes_on or each.startswith("$ ")) and each.endswith("\\")
    for step in steps:
        while step.shown and not step.shown[-1].strip():
            step.shown.pop()
        step.shown = step.shown or None
    return steps


def loosely(line: str) -> str:
    """A line without what is another one each time."""
    for pattern, name in _LOOSE:
        line = re.sub(pattern, name, line)
    return line.strip()


def same(shown: list[str], said: list[str]) -> bool:
    """Whether the lines that a page shows are those that were said."""
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(.*\n)*"
        else:
            parts = [re.escape(loosely(part)) for part in line.split("…")]
            pattern += " ?.*? ?".join(parts) + r"\n"
    text = "".join(loosely(line) + "\n" for line in said)
    return re.fullmatch(pattern, text) is not None
