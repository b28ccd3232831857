"""crunpy cleanup: what a monitor becomes when its container has ended."""

from __future__ import annotations

from crun_py.cli.each import each_apart
from crun_py.engine import containers
from crun_py.engine.context import Context
from crun_py.engine.selection import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "All containers that do not run", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("--rm", "flag", "Remove them, too", ""),
    ("--rootless", "flag", "", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Clean up, and start it again if its restart policy wants it; a container that is gone
    already is no error.  The exit status is the container's when we are its monitor: systemd
    looks at it.  --rootless: we are in the user namespace of a user's container."""
    code = 0

    def act(name: str) -> None:
        nonlocal code
        code = containers.cleanup(
            context, name, remove=values.flag("rm"), rootless=values.flag("rootless")
        )

    ended = {"created", "exited"}
    names = named(context, arguments, values.flag("all"), ended, latest=values.flag("latest"))
    return each_apart(names, act) or code
