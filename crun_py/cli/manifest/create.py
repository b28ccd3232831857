"""crunpy manifest create."""

from __future__ import annotations

from crun_py.cli import reach
from crun_py.cli.output import write
from crun_py.engine import manifests
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "LIST [IMAGE...]"
OPTIONS = (
    ("-a --amend", "flag", "Add to the list if there is one", ""),
    ("--all", "flag", "All images of one that is a list itself", ""),
    ("--insecure", "flag", "The same as --tls-verify=false", ""),
    *reach.OPTIONS,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Make the list with those images; prints its digest."""
    name, *images = arguments
    digest = manifests.create(
        context,
        name,
        images,
        amend=values.flag("amend"),
        everything=values.flag("all"),
        reach=reach.of(values),
    )
    write(digest)
    return 0
