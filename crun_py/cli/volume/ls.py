"""crunpy volume ls."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.engine.context import Context
from crun_py.show import volume_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-q --quiet", "flag", "Names only", ""),
    ("-f --filter", "list", "name=, label=, label!=, dangling=, driver=, anonymous=", "KEY=VALUE"),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
    ("-n --noheading", "flag", "Without the heading line", ""),
)
COLUMNS = (("DRIVER", "Driver"), ("VOLUME NAME", "Name"))


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the table."""
    if values.text("format") == "json":
        from crun_py.cli import as_podman
        from crun_py.engine import documents

        if as_podman.wrote(lambda: documents.volumes(context, values.texts("filter"))):
            return 0
    rows = volume_list.rows(context.paths, values.texts("filter"))
    tabulate(values, rows)
    return 0


def tabulate(values: Values, rows: list[dict[str, object]]) -> None:
    """Print rows of `show` as the options say."""
    quiet = "Name" if values.flag("quiet") else ""
    table.show(
        rows, COLUMNS, values.maybe("format"), quiet=quiet, heading=not values.flag("noheading")
    )
