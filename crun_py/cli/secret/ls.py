"""crunpy secret ls."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.engine import secrets
from crun_py.engine.context import Context
from crun_py.show import secret_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-q --quiet", "flag", "Ids only", ""),
    ("-f --filter", "list", "name=, id=", "KEY=VALUE"),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
    ("-n --noheading", "flag", "Without the heading line", ""),
)
COLUMNS = (
    ("ID", "ID"),
    ("NAME", "Name"),
    ("DRIVER", "Driver"),
    ("CREATED", "CreatedAt"),
    ("UPDATED", "UpdatedAt"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the table."""
    rows = [secret_list.row(info) for info in secrets.infos(context, values.texts("filter"))]
    tabulate(values, rows)
    return 0


def tabulate(values: Values, rows: list[dict[str, object]]) -> None:
    """Print rows of `show` as the options say."""
    quiet = "ID" if values.flag("quiet") else ""
    table.show(
        rows, COLUMNS, values.maybe("format"), quiet=quiet, heading=not values.flag("noheading")
    )
