"""crunpy context rm."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.errors import NotFound
from crun_py.remote import contexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.engine.context import Context
    from crun_py.values import Values

ARGUMENTS = "NAME..."
OPTIONS = (("-f --force", "flag", "Also the one in use; what is not there is no error", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove and print each name."""

    def act(name: str) -> str | None:
        try:
            contexts.remove(name, force=values.flag("force"))
        except NotFound:
            if values.flag("force"):
                return None
            raise
        return name

    return each(arguments, act, 1)
