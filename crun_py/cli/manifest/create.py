"""crunpy manifest create."""

from __future__ import annotations

from crun_py.cli import reach
from crun_py.cli.output import write
from crun_py.engine import manifests
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "LIST [IMAGE...]"
OPTIONS = (
    ("-a --amend", "flag", "Add to the list if there is one", ""),
    ("--all", "flag", "All images of one that is a list itself", ""),
    ("--insecure", "flag", "The same as --tls-verify=false", ""),
    *reach.OPTIONS,
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Make the list with those images; prints its digest."""
    name, *images = arguments
    digest = manifests.create(
        context,
        name,
        images,
        amend=values["amend"],
        everything=values["all"],
        reach=reach.of(values),
    )
    write(digest)
    return 0
