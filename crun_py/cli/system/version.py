"""crunpy version."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import table
from crun_py.cli.output import write
from crun_py.engine import system
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (("-f --format", "value", "A Go template, or json", "FORMAT"),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the version; without a daemon the server's part is the client's."""
    part = system.version(context)
    if values.text("format"):
        value = {"Client": part, "Server": part}
        if values.text("format") == "json":
            write(jsonfile.dumps(value))
        else:
            write(table.fill(values.text("format"), value))
        return 0
    write("Client: crunpy")
    tell(part)
    return 0


def tell(part: dict[str, object]) -> None:
    """A line for each thing that one side says of itself."""
    for name, key in (
        ("Version", "Version"),
        ("API version", "ApiVersion"),
        ("Python version", "PythonVersion"),
        ("Git commit", "GitCommit"),
        ("Built", "BuildTime"),
        ("OS/Arch", "OsArch"),
    ):
        if key in part:
            write(f" {name + ':':<18}{part[key]}")
