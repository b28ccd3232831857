"""crunpy system install-generator."""

from __future__ import annotations

from crun_py.cli.itself import program
from crun_py.cli.output import write
from crun_py.engine import quadlet
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("--directory", "value", "systemd's settings (/etc/systemd)", "DIR"),
    ("--remove", "flag", "Take them away again", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Have systemd read .container files, and print the paths of its generators."""
    directory = values.text("directory") or "/etc/systemd"
    if values.flag("remove"):
        found = quadlet.uninstall(context, directory)
    else:
        found = quadlet.install(context, directory, program())
    for path in found:
        write(path)
    return 0
