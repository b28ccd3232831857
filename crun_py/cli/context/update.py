"""crunpy context update."""

from __future__ import annotations

from crun_py.cli.context import create
from crun_py.cli.output import write, write_error
from crun_py.record import replaced
from crun_py.remote import contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "NAME"
OPTIONS = (
    ("--description", "value", "What it is for", "TEXT"),
    ("--docker", "list", "host=ADDRESS,ca=FILE,cert=FILE,key=FILE,skip-tls-verify=BOOL", "SPEC"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Change it; prints the name."""
    contexts.check_name(arguments[0])
    made = create.changed(contexts.load(arguments[0]), values.texts("docker"))
    if (text := values.maybe("description")) is not None:
        made = replaced(made, description=text)
    contexts.create(made, exist_ok=True)
    write(arguments[0])
    write_error(f'Successfully updated context "{arguments[0]}"')
    return 0
