"""crunpy start."""

from __future__ import annotations

import os
import sys

from crun_py import foreground, lifecycle, state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each
from crun_py.errors import InvalidArgument
from crun_py.ns import user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ARGUMENTS = "CONTAINER..."
OPTIONS = (
    ("-a --attach", "flag", "Attach to the output, pass signals on, exit as it exits", ""),
    ("-i --interactive", "flag", "Attach to everything, standard input too", ""),
    ("--detach-keys", "value", "Keys that leave the container running", "KEYS"),
    ("--sig-proxy", "value", "Pass signals on to the container (true)", "BOOL"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Start; one that runs already is no error."""
    attached = values["attach"] or values["interactive"]
    if attached and len(arguments) > 1:
        raise InvalidArgument("starting: only one container can be attached to")
    if attached:
        container = state.find(context.paths, arguments[0])
        context.enter(container.record["network"]["mode"])
        return foreground.run(
            container,
            rootless=context.rootless,
            streams=[] if values["interactive"] else ["stdout", "stderr"],
            sig_proxy=values["sig_proxy"] != "false",
            detach_keys=values["detach_keys"],
            explain=context.explain,
        )

    def act(name: str) -> None:
        container = state.find(context.paths, name)
        if not container.status().running:
            context.enter(container.record["network"]["mode"])
            lifecycle.start(container, rootless=context.rootless, explain=context.explain)
        write(name)

    if len(arguments) == 1 or not user.needed():
        return each(arguments, act)
    # each container may need another user namespace, and there is no way back from one
    return max([_in_child(name, act) for name in arguments])


def _in_child(name: str, act: Callable[[str], None]) -> int:
    """`each` for one name in a child process."""
    child = os.fork()
    if child == 0:
        status = each([name], act)
        sys.stdout.flush()
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
