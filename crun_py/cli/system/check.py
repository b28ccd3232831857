"""crunpy system check."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli.output import write
from crun_py.engine import checking
from crun_py.engine.context import Context
from crun_py.errors import printable
from crun_py.record import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-r --repair", "flag", "Mend what can be mended; containers and volumes stay", ""),
    ("-q --quick", "flag", "Do not compare contents with their digests", ""),
    ("--json", "flag", "One object a line", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Tell what is wrong with the store; 1 if something is left so."""
    found = checking.check(context, repair=values.flag("repair"), quick=values.flag("quick"))
    for fault in found:
        if values.flag("json"):
            write(jsonfile.dumps(to_json(fault)))
        else:
            mended = " (repaired)" if fault.repaired else ""
            write(printable(f"{fault.kind} {fault.name}: {fault.what}{mended}"))
    return 0 if all(fault.repaired for fault in found) else 1
