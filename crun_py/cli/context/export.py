"""crunpy context export."""

from __future__ import annotations

import os

from crun_py import outfile
from crun_py.cli.output import write_error
from crun_py.cli.streams import refuse_terminal
from crun_py.errors import Conflict
from crun_py.remote import contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "NAME [FILE]"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Write NAME.dockercontext, or another file, or - (standard output); keys are in it."""
    name = arguments[0]
    path = arguments[1] if len(arguments) > 1 else f"{name}.dockercontext"
    data = contexts.exported(name)
    if path == "-":
        refuse_terminal(1, "exporting a context", "a file, not -")
        with open(1, "wb", closefd=False) as out:
            out.write(data)
        return 0
    if os.path.exists(path):
        raise Conflict(f"exporting a context: {path} exists already")
    outfile.write(path, data, 0o600)
    write_error(f'Written file "{path}"')
    return 0
