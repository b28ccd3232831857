"""crunpy diff: what a container changed in its file system."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli.output import write
from crun_py.engine import inspection
from crun_py.engine.context import Context
from crun_py.engine.selection import named
from crun_py.errors import InvalidArgument, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.files import FileChange
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER]"
OPTIONS = (
    ("--format", "value", "json", "FORMAT"),
    ("-l --latest", "flag", "The container created last", ""),
)
_WORDS = {"A": "added", "C": "changed", "D": "deleted"}


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a line for each change: A (added), C (changed) or D (deleted), and the path."""
    (name,) = named(context, arguments, latest=values.flag("latest"))
    show(inspection.changes(context, name), values.maybe("format"))
    return 0


def show(found: tuple[FileChange, ...], form: str | None) -> None:
    """Print changes as lines, or as JSON by kind."""
    if form not in (None, "json"):
        raise InvalidArgument(f"format {form!r}: not known", hint="known: json")
    if form:
        by_kind: dict[str, list[str]] = {}
        for change in found:
            by_kind.setdefault(_WORDS[change.kind], []).append(change.path)
        write(jsonfile.dumps(by_kind, indent=2))
        return
    for change in found:
        write(f"{change.kind} {printable(change.path)}")
