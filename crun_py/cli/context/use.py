"""crunpy context use."""

from __future__ import annotations

from crun_py import caller
from crun_py.cli.output import write, write_error, write_warning
from crun_py.remote import contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "NAME"
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Choose it; prints the name."""
    contexts.use(arguments[0])
    write(arguments[0])
    write_error(f'Current context is now "{arguments[0]}"')
    if arguments[0] != contexts.DEFAULT and caller.variable("DOCKER_HOST"):
        write_warning("DOCKER_HOST overrides it")
    return 0
