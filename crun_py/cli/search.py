"""crunpy search."""

from __future__ import annotations

from crun_py.cli import reach, table
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "TERM"
OPTIONS = (
    ("-f --filter", "list", "Only some: stars=N, is-official=BOOL, is-automated=BOOL", "KEY=VALUE"),
    ("--limit", "value", "At most so many results (25)", "N"),
    ("--no-trunc", "flag", "Whole descriptions", ""),
    ("--list-tags", "flag", "The tags of a repository instead", ""),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
    ("--compatible", "flag", "Always so: stars and official are shown", ""),
    # docker's old forms of --filter
    ("-s --stars", "value", "", "N"),
    ("--automated", "flag", "", ""),
    *reach.OPTIONS,
)
COLUMNS = (
    ("NAME", "Name"),
    ("DESCRIPTION", "Description"),
    ("STARS", "StarCount"),
    ("OFFICIAL", "IsOfficial"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print what is found."""
    from crun_py.oci import search

    limit = values["limit"] or "25"
    access = reach.access(values)
    if values["list_tags"]:
        rows = search.tags(arguments[0], access, int(limit))
        table.show(rows, (("NAME", "Name"), ("TAG", "Tag")), values["format"])
        return 0
    filters = [*values["filter"]]
    filters += [f"stars={values['stars']}"] if values["stars"] is not None else []
    filters += ["is-automated=true"] if values["automated"] else []
    rows = search.search(
        arguments[0],
        access,
        limit=int(limit),
        wanted=search.Filter(filters),
        whole=values["no_trunc"],
    )
    if "json" in (values["format"] or ""):  # docker has a mark for people, and a word for programs
        for row in rows:
            for name in ("IsOfficial", "IsAutomated"):
                row[name] = "true" if row[name] else "false"
    table.show(rows, COLUMNS, values["format"])
    return 0
