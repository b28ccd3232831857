"""crunpy healthcheck run."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine import containers
from crun_py.engine.context import Context
from crun_py.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "CONTAINER"
OPTIONS = (
    ("--timer", "flag", "", ""),
    ("--rootless", "flag", "", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """One check: 0 when it was good, 1 when not (and the word unhealthy).

    --timer: the monitor asks, whom a container that has just been paused or ended does not
    concern.  --rootless: we are in the user namespace of a user's container.
    """
    try:
        check = containers.check_health(context, arguments[0], rootless=values.flag("rootless"))
    except Conflict:
        if values.flag("timer"):
            return 1
        raise
    if not check.passed and not values.flag("timer"):
        write(check.status)
    return 0 if check.passed else 1
