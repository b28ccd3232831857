"""crunpy exec."""

from __future__ import annotations

import os

from crun_py import state
from crun_py.cli.container.client import client_of, descriptors
from crun_py.engine import execute
from crun_py.errors import InvalidArgument
from crun_py.model.container import ExecRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "CONTAINER [COMMAND] [ARG...]"
MIXED = False
OPTIONS = (
    ("-i --interactive", "flag", "Keep standard input open", ""),
    ("-t --tty", "flag", "Give the command a terminal", ""),
    ("-d --detach", "flag", "Run in the background", ""),
    ("-e --env", "list", "Set a variable; KEY alone copies it from here", "KEY=VALUE"),
    ("--env-file", "list", "Read variables from a file", "FILE"),
    ("-w --workdir", "value", "Working directory in the container", "DIR"),
    ("-u --user", "value", "User or id: NAME|UID[:GROUP|GID]", "USER"),
    ("--privileged", "flag", "All capabilities, no seccomp filter", ""),
    ("--detach-keys", "value", "Keys that leave the command running", "KEYS"),
    ("-l --latest", "flag", "In the container created last", ""),
    ("--preserve-fds", "value", "Pass our descriptors 3 to N+2 on", "N"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Run the command; the exit status is the command's."""
    client = client_of(values, (), descriptors(values.maybe("preserve_fds")))
    name, request = asked(values, arguments)
    if not request.command:
        state.find(context.paths, name) if name else state.latest(context.paths)
        raise no_command()
    return execute.execute(context, name, request, client)


def asked(values: Values, arguments: list[str]) -> tuple[str, ExecRequest]:
    """The container ("": the newest), and what is to be run in it; without words that is nothing
    yet."""
    name, words = ("", arguments) if values.flag("latest") else (arguments[0], arguments[1:])
    return name, ExecRequest(
        command=tuple(words),
        tty=values.flag("tty"),
        open_stdin=values.flag("interactive"),
        detach=values.flag("detach"),
        environment=_variables(values),
        workdir=values.text("workdir"),
        user=values.text("user"),
        privileged=values.flag("privileged"),
    )


def no_command() -> InvalidArgument:
    """The error for a container without a command."""
    return InvalidArgument("exec: missing argument 'COMMAND'", hint="crunpy exec --help")


def _variables(values: Values) -> dict[str, str | None]:
    if not values.texts("env") and not values.texts("env_file"):
        return {}
    from crun_py.options.environment import chosen

    return chosen(values.texts("env_file"), values.texts("env"), os.environ)
