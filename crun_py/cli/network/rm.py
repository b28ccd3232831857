"""crunpy network rm."""

from __future__ import annotations

from crun_py.cli.container.stop import patience
from crun_py.cli.each import each
from crun_py.engine import networks
from crun_py.engine.context import Context
from crun_py.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "NETWORK..."
OPTIONS = (
    ("-f --force", "flag", "Remove the containers that have it; a missing one is no error", ""),
    ("-t --time", "value", "Accepted: with -f containers are killed at once", "SECONDS"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove and print each name; one that a container has is kept."""
    patience(values.maybe("time"))

    def act(name: str) -> str | None:
        try:
            networks.remove(context, name, force=values.flag("force"))
        except NotFound:
            if values.flag("force"):
                return None
            raise
        return name

    return each(arguments, act, 1)
