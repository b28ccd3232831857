"""crunpy secret rm."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.engine import secrets
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[SECRET...]"
OPTIONS = (
    ("-a --all", "flag", "All secrets", ""),
    ("-i --ignore", "flag", "What is not there is no error", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Remove and print each id; containers that run keep what they have."""
    names = [info.name for info in secrets.infos(context)] if values["all"] else arguments
    if not names and not values["all"]:
        raise InvalidArgument("no secret given", hint="names, or --all")
    return each(names, lambda name: secrets.remove(context, name, missing_ok=values["ignore"]), 1)
