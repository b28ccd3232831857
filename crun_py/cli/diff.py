"""crunpy diff: what a container changed in its file system."""

from __future__ import annotations

from crun_py import jsonfile, state
from crun_py.cli.each import named
from crun_py.cli.output import write
from crun_py.container import inside
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER]"
OPTIONS = (
    ("--format", "value", "json", "FORMAT"),
    ("-l --latest", "flag", "The container created last", ""),
)
_WORDS = {"A": "added", "C": "changed", "D": "deleted"}


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print a line for each change: A (added), C (changed) or D (deleted), and the path."""
    (name,) = named(context, arguments, False, latest=values["latest"])
    container = state.find(context.paths, name)
    context.enter()
    show(inside.changes(container).found(), values["format"])
    return 0


def show(found: list[tuple[str, str]], form: str | None) -> None:
    """Print changes as lines, or as JSON by kind."""
    if form not in (None, "json"):
        raise InvalidArgument(f"format {form!r}: not known", hint="known: json")
    if form:
        by_kind: dict[str, list[str]] = {}
        for kind, path in found:
            by_kind.setdefault(_WORDS[kind], []).append(path)
        write(jsonfile.dumps(by_kind, indent=2))
        return
    for kind, path in found:
        write(f"{kind} {printable(path)}")
