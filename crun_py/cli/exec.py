"""crunpy exec."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.run import descriptors
from crun_py.container import execute
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Run the command; the exit status is the command's."""
    keep = descriptors(values["preserve_fds"])
    if values["latest"]:
        container, words = state.latest(context.paths), arguments
    else:
        container, words = state.find(context.paths, arguments[0]), arguments[1:]
    if not words:
        raise InvalidArgument("exec: missing argument 'COMMAND'", hint="crunpy exec --help")
    status = execute.running(container)
    context.join(status)
    return execute.execute(
        container,
        status,
        words,
        values,
        detach_keys=values["detach_keys"],
        explain=context.explain,
        keep=keep,
    )
