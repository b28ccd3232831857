"""crunpy system migrate."""

from __future__ import annotations

from crun_py.cli.each import each_apart
from crun_py.engine import containers, selection
from crun_py.engine.context import Context
from crun_py.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (("--new-runtime", "value", "", "RUNTIME"),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Stop the containers that run: their next start has the user namespace that /etc/subuid and
    /etc/subgid say by then.  Records of older versions need nothing: they are read as they are."""
    if values.given("new_runtime"):
        raise Unsupported("--new-runtime: containers have no runtime of another's")

    def stop(name: str) -> None:
        containers.stop(context, name)

    found = selection.every(context, {"running", "paused", "stopping", "restarting"})
    return each_apart(found, stop)
