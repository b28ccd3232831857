"""crunpy context import: the file that `context export` wrote."""

from __future__ import annotations

import sys

from crun_py.cli.output import write, write_error
from crun_py.errors import InvalidArgument
from crun_py.remote import contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "NAME FILE"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Take it; prints the name."""
    name, path = arguments
    if path == "-":
        data = sys.stdin.buffer.read()
    else:
        try:
            with open(path, "rb") as f:
                data = f.read()
        except OSError as e:
            raise InvalidArgument.from_os(f"reading {path}", e) from e
    contexts.create(contexts.imported(name, data))
    write(name)
    write_error(f'Successfully imported context "{name}"')
    return 0
