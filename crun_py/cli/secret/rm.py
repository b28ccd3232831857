"""crunpy secret rm."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.engine import secrets
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[SECRET...]"
OPTIONS = (
    ("-a --all", "flag", "All secrets", ""),
    ("-i --ignore", "flag", "What is not there is no error", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove and print each id; containers that run keep what they have."""
    names = [info.name for info in secrets.infos(context)] if values.flag("all") else arguments
    if not names and not values.flag("all"):
        raise InvalidArgument("no secret given", hint="names, or --all")
    return each(
        names, lambda name: secrets.remove(context, name, missing_ok=values.flag("ignore")), 1
    )
