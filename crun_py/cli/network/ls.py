"""crunpy network ls."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.engine import networks
from crun_py.engine.context import Context
from crun_py.show import network_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-q --quiet", "flag", "Ids only", ""),
    (
        "-f --filter",
        "list",
        "name=, id=, label=, label!=, driver=, type=, scope=, dangling=, until=",
        "KEY=VALUE",
    ),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
    ("--no-trunc", "flag", "Whole ids", ""),
    ("-n --noheading", "flag", "Without the heading line", ""),
)
COLUMNS = (("NETWORK ID", "ID"), ("NAME", "Name"), ("DRIVER", "Driver"), ("SCOPE", "Scope"))


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the table."""
    if values.text("format") == "json":
        from crun_py.cli import as_podman
        from crun_py.engine import libpod

        if as_podman.wrote(lambda: libpod.networks(context, values.texts("filter"))):
            return 0
    infos = networks.infos(context, values.texts("filter"))
    rows = network_list.rows(
        context.paths, infos, values.texts("filter"), whole=values.flag("no_trunc")
    )
    tabulate(values, rows)
    return 0


def tabulate(values: Values, rows: list[dict[str, object]]) -> None:
    """Print rows of `show` as the options say."""
    if values.flag("quiet"):
        rows = [row for row in rows if row["ID"]]
    quiet = "ID" if values.flag("quiet") else ""
    table.show(
        rows, COLUMNS, values.maybe("format"), quiet=quiet, heading=not values.flag("noheading")
    )
