"""crunpy volume rm."""

from __future__ import annotations

from crun_py.cli.container.stop import patience
from crun_py.cli.each import each
from crun_py.engine import volumes
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[VOLUME...]"
OPTIONS = (
    ("-f --force", "flag", "Remove the containers that have it; what is not there is no error", ""),
    ("-a --all", "flag", "All volumes", ""),
    ("-t --time", "value", "With -f: stop containers first, SIGKILL after so long", "SECONDS"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove and print each name; one that a container has is kept."""
    names = volumes.names(context) if values.flag("all") else arguments
    if not names and not values.flag("all"):
        raise InvalidArgument("no volume given", hint="names, or --all")

    def act(name: str) -> str | None:
        force, timeout_s = values.flag("force"), patience(values.maybe("time"))
        found = volumes.remove(context, name, force=force, timeout_s=timeout_s, missing_ok=force)
        return name if found else None

    return each(names, act, 1)
