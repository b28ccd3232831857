"""crunpy network ls."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.engine import networks
from crun_py.engine.context import Context
from crun_py.show import network_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print the table."""
    infos = networks.infos(context, values["filter"])
    rows = network_list.rows(context.paths, infos, values["filter"], whole=values["no_trunc"])
    if values["quiet"]:
        rows = [row for row in rows if row["ID"]]
    quiet = "ID" if values["quiet"] else ""
    table.show(rows, COLUMNS, values["format"], quiet=quiet, heading=not values["noheading"])
    return 0
