"""crunpy auto-update."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import reach, table
from crun_py.cli.output import report, write
from crun_py.engine import auto_update
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("--dry-run", "flag", "Only look for newer images", ""),
    ("--rollback", "switch", "Start a unit that fails with its old image again (true)", ""),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
    *reach.OPTIONS,
)
COLUMNS = (
    ("UNIT", "Unit"),
    ("CONTAINER", "Container"),
    ("IMAGE", "Image"),
    ("POLICY", "Policy"),
    ("UPDATED", "Updated"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Update, and print a line for each container; 125 when something failed."""
    found, errors = auto_update.auto_update(
        context,
        dry_run=values.flag("dry_run"),
        rollback=values.switch("rollback") is not False,
        access=reach.of(values),
    )
    rows = [
        {
            "Unit": one.unit,
            "Container": f"{one.container_id[:12]} ({one.container_name})",
            "ContainerName": one.container_name,
            "ContainerID": one.container_id,
            "Image": one.image,
            "Policy": one.policy,
            "Updated": one.updated,
        }
        for one in found
    ]
    if values.text("format") == "json":
        write(jsonfile.dumps(rows))
    else:
        table.show(rows, COLUMNS, values.maybe("format"))
    for error in errors:
        report(error, error.all_hints())
    return 125 if errors else 0
