"""crunpy manifest create."""

from __future__ import annotations

from crun_py.cli import reach
from crun_py.cli.output import write
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
    from crun_py.oci.lists import Lists

    lists = Lists(context.paths, reach.access(values))
    existed = lists.exists(arguments[0])
    digest = lists.create(arguments[0], amend=values["amend"])
    try:
        for image in arguments[1:]:
            digest = lists.add(arguments[0], image, everything=values["all"])
    except BaseException:
        if not existed:
            lists.remove(arguments[0])
        raise
    write(digest)
    return 0
