"""crunpy volume rm."""

from __future__ import annotations

from crun_py.cli.container.stop import patience
from crun_py.cli.each import each
from crun_py.engine import volumes
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[VOLUME...]"
OPTIONS = (
    ("-f --force", "flag", "Remove the containers that have it; what is not there is no error", ""),
    ("-a --all", "flag", "All volumes", ""),
    ("-t --time", "value", "With -f: stop containers first, SIGKILL after so long", "SECONDS"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Remove and print each name; one that a container has is kept."""
    names = volumes.names(context) if values["all"] else arguments
    if not names and not values["all"]:
        raise InvalidArgument("no volume given", hint="names, or --all")

    def act(name: str) -> str | None:
        force, timeout_s = values["force"], patience(values["time"])
        found = volumes.remove(context, name, force=force, timeout_s=timeout_s, missing_ok=force)
        return name if found else None

    return each(names, act, 1)
