"""crunpy history."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.engine.context import Context
from crun_py.oci.store.images import ImageStore
from crun_py.show import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.rows import HistoryRow
    from crun_py.values import Values

ARGUMENTS = "IMAGE"
OPTIONS = (
    ("-q --quiet", "flag", "Ids only", ""),
    ("--no-trunc", "flag", "Nothing is cut", ""),
    ("-H --human", "switch", "Ages and sizes for people (true)", ""),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
)

COLUMNS = (
    ("IMAGE", "ID"),
    ("CREATED", "CreatedSince"),
    ("CREATED BY", "CreatedBy"),
    ("SIZE", "Size"),
    ("COMMENT", "Comment"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the steps, newest first."""
    rows = images.history(
        ImageStore(context.paths).find(arguments[0]),
        human=values.switch("human") is not False,
        whole=values.flag("no_trunc"),
    )
    tabulate(values, rows)
    return 0


def tabulate(values: Values, rows: list[HistoryRow]) -> None:
    """Print rows of `show.images` as the options say."""
    table.show(rows, COLUMNS, values.maybe("format"), quiet="ID" if values.flag("quiet") else "")
