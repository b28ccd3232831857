"""crunpy search."""

from __future__ import annotations

from crun_py.cli import reach, table
from crun_py.engine import registries
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from crun_py.model.registry import SearchResult
    from crun_py.values import Values

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
_WIDTH = 45
COLUMNS = (
    ("NAME", "Name"),
    ("DESCRIPTION", "Description"),
    ("STARS", "StarCount"),
    ("OFFICIAL", "IsOfficial"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print what is found."""
    limit, how = int(values.text("limit") or 25), reach.of(values)
    if values.flag("list_tags"):
        tags = registries.tags(context, arguments[0], limit=limit, reach=how)
        found = [{"Name": name, "Tag": tag} for name, tag in tags]
        table.show(found, (("NAME", "Name"), ("TAG", "Tag")), values.maybe("format"))
        return 0
    filters = wanted(values)
    results = registries.search(context, arguments[0], limit=limit, filters=filters, reach=how)
    tabulate(values, results)
    return 0


def wanted(values: Values) -> list[str]:
    """The filters that the options mean."""
    filters = [*values.texts("filter")]
    stars = values.maybe("stars")
    filters += [f"stars={stars}"] if stars is not None else []
    return filters + (["is-automated=true"] if values.flag("automated") else [])


def tabulate(values: Values, results: Iterable[SearchResult]) -> None:
    """Print what was found as the options say."""
    rows = [_row(result, whole=values.flag("no_trunc")) for result in results]
    if "json" in values.text("format"):  # docker has a mark for people, and a word for programs
        for row in rows:
            for name in ("IsOfficial", "IsAutomated"):
                row[name] = "true" if row[name] else "false"
    table.show(rows, COLUMNS, values.maybe("format"))


def _row(result: SearchResult, *, whole: bool) -> dict[str, object]:
    """Text fields with Docker's names, and podman's."""
    text = result.description
    official, automated = ("[OK]" if k else "" for k in (result.official, result.automated))
    return {
        "Name": result.name,
        "Description": text if whole or len(text) <= _WIDTH else text[: _WIDTH - 1] + "…",
        "StarCount": result.stars,
        "IsOfficial": official,
        "IsAutomated": automated,
        # podman's names
        "Stars": result.stars,
        "Official": official,
        "Automated": automated,
        "Tag": "",
        "Index": result.index,
    }
