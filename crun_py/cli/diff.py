"""crunpy diff: what a container changed in its file system."""

from __future__ import annotations

from crun_py import inside, jsonfile, state
from crun_py.cli.context import Context, write
from crun_py.errors import InvalidArgument, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER"
OPTIONS = (("--format", "value", "json", "FORMAT"),)
_WORDS = {"A": "added", "C": "changed", "D": "deleted"}


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print a line for each change: A (added), C (changed) or D (deleted), and the path."""
    if values["format"] not in (None, "json"):
        raise InvalidArgument(f"format {values['format']!r}: not known", hint="known: json")
    container = state.find(context.paths, arguments[0])
    context.enter()
    found = inside.changes(container).found()
    if values["format"]:
        by_kind: dict[str, list[str]] = {}
        for kind, path in found:
            by_kind.setdefault(_WORDS[kind], []).append(path)
        write(jsonfile.dumps(by_kind, indent=2))
        return 0
    for kind, path in found:
        write(f"{kind} {printable(path)}")
    return 0
