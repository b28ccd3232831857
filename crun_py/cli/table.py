"""Rows as Docker's tables, or in the format that the user wants."""

from __future__ import annotations

import sys

from crun_py import jsonfile
from crun_py.errors import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def show(
    rows: Sequence[Mapping[str, object]],
    columns: tuple[tuple[str, str], ...],
    template: str | None = None,
    *,
    quiet: str = "",
    heading: bool = True,
) -> None:
    """Print `rows`.

    columns: (heading, field).  template: None for the table, `json`, `table TEMPLATE`, or a
    Go template.  quiet: the one field to print instead.  heading: whether a table has one.
    """
    if quiet:
        _print([str(row[quiet]) for row in rows])
    elif template == "json":
        _print([jsonfile.dumps(row) for row in rows])
    elif template and template.startswith("table "):
        from crun_py.show.gotemplate import headings

        text = _unescape(template.removeprefix("table ").lstrip())
        lines = [fill(text, row).split("\t") for row in rows]
        top = headings(text, {f: h for h, f in columns}).split("\t")
        lay_out([top, *lines] if heading else lines)
    elif template and template != "table":
        text = _unescape(template)
        _print([fill(text, row) for row in rows])
    else:
        lines = [[str(row[field]) for _, field in columns] for row in rows]
        top = [name for name, _ in columns]
        lay_out([top, *lines] if heading else lines)


def documents(found: Sequence[Mapping[str, object]], template: str) -> None:
    """Print what `inspect` shows: a JSON array, for the template `json` in one line, or another
    template for each."""
    if template not in ("", "json"):
        _print([fill(template, value) for value in found])
    else:
        _print([jsonfile.dumps(found, indent=None if template else 4)])


def fill(template: str, value: object) -> str:
    """What a --format template prints.  On a terminal what strangers wrote (labels, commands,
    descriptions) drives nothing; in a pipe it is as it is."""
    from crun_py.show.gotemplate import harmless, render

    return render(template, harmless(value) if sys.stdout.isatty() else value)


def _unescape(template: str) -> str:
    return template.replace("\\t", "\t").replace("\\n", "\n")


def _print(lines: list[str]) -> None:
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")


def lay_out(lines: list[list[str]], least: int = 0) -> None:
    """Columns three spaces apart and `least` wide, as text/tabwriter sets them for Docker.

    What is in a cell may be a stranger's, the name of a container's process say: it neither
    drives the terminal nor begins a line.
    """
    if not lines:
        return
    lines = [[*map(printable, line)] for line in lines]
    widths = [
        max(least, max((len(line[i]) for line in lines if len(line) > i + 1), default=0) + 3)
        for i in range(max(map(len, lines)))
    ]
    _print(
        [
            "".join(
                cell.ljust(widths[i]) if i < len(line) - 1 else cell for i, cell in enumerate(line)
            )
            for line in lines
        ]
    )
