"""crunpy start."""

from __future__ import annotations

from crun_py.cli.container.client import client_of
from crun_py.cli.each import each_apart
from crun_py.cli.output import write
from crun_py.engine import run
from crun_py.engine.context import Context
from crun_py.engine.selection import named
from crun_py.errors import CrunpyError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --attach", "flag", "Attach to the output, pass signals on, exit as it exits", ""),
    ("-i --interactive", "flag", "Attach to everything, standard input too", ""),
    ("--detach-keys", "value", "Keys that leave the container running", "KEYS"),
    ("--all", "flag", "All containers that do not run", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("-f --filter", "list", "Those that `ps -a` would show with this filter", "KEY=VALUE"),
    ("--sig-proxy", "value", "Pass signals on to the container (true)", "BOOL"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Start; one that runs already is no error."""
    attached = values.flag("attach") or values.flag("interactive")
    names = named(
        context,
        arguments,
        values.flag("all"),
        {"created", "exited"},
        latest=values.flag("latest"),
        filters=values.texts("filter"),
    )
    if attached and len(names) > 1:
        raise InvalidArgument("starting: only one container can be attached to")
    if attached:
        client = client_of(values, () if values.flag("interactive") else ("stdout", "stderr"))
        try:
            return run.start_attached(context, names[0], client)
        except CrunpyError as e:
            e.exit_code = 1  # docker's
            raise

    def act(name: str) -> None:
        run.start(context, name)
        write(name)

    return each_apart(names, act, 1)  # docker's exit status
