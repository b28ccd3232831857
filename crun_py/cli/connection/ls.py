"""crunpy system connection ls."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import table
from crun_py.cli.output import write
from crun_py.remote import connections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-q --quiet", "flag", "Names only", ""),
    ("-f --format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
)
COLUMNS = (("Name", "Name"), ("URI", "URI"), ("Identity", "Identity"), ("Default", "Default"))


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the table."""
    rows: list[dict[str, object]] = [
        {
            "Name": one.name, "URI": one.uri, "Identity": one.identity, "IsMachine": False,
            "Default": one.default,
        }
        for one in connections.every()
    ]  # fmt: skip
    if values.text("format") == "json":
        write(jsonfile.dumps(rows))
        return 0
    if values.text("format") in ("", "table"):
        rows = [{**row, "Default": str(row["Default"]).lower()} for row in rows]
    quiet = "Name" if values.flag("quiet") else ""
    table.show(rows, COLUMNS, values.maybe("format"), quiet=quiet)
    return 0
