"""crunpy context ls."""

from __future__ import annotations

from crun_py import caller
from crun_py.cli import table
from crun_py.remote import contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-q --quiet", "flag", "Names only", ""),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
)
COLUMNS = (
    ("NAME", "Shown"),
    ("DESCRIPTION", "Description"),
    ("DOCKER ENDPOINT", "DockerEndpoint"),
    ("ERROR", "Error"),
)
_DESCRIPTION = "Current DOCKER_HOST based configuration"


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the table; the one that counts has a star."""
    chosen = contexts.chosen()
    host = caller.variable("DOCKER_HOST")
    found = [(contexts.DEFAULT, _DESCRIPTION, host)]
    found += [(one.name, one.description, one.host) for one in contexts.every()]
    rows: list[dict[str, object]] = [
        {
            "Current": name == chosen, "Description": text, "DockerEndpoint": where, "Error": "",
            "Name": name,
        }
        for name, text, where in found
    ]  # fmt: skip
    if values.text("format") in ("", "table") and not values.flag("quiet"):
        rows = [{**row, "Shown": f"{row['Name']}{' *' * bool(row['Current'])}"} for row in rows]
    quiet = "Name" if values.flag("quiet") else ""
    table.show(rows, COLUMNS, values.maybe("format"), quiet=quiet)
    return 0
