"""crunpy manifest push."""

from __future__ import annotations

from crun_py.cli import progress, push, reach
from crun_py.cli.output import write
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "LIST [DESTINATION]"
OPTIONS = (
    ("--all", "switch", "Send the images of the list too (true)", ""),
    ("-p --purge --rm", "flag", "Remove the list afterwards", ""),
    ("-f --format", "value", "Format of the list: oci or docker (as it is)", "FORMAT"),
    ("--compression-format", "value", "gzip or zstd for all layers (as they are)", "FORMAT"),
    ("--digestfile", "value", "Write the list's digest to a file", "FILE"),
    ("--remove-signatures", "flag", "Always so: signatures are not pushed", ""),
    ("--insecure", "flag", "The same as --tls-verify=false", ""),
    ("-q --quiet", "flag", "No progress", ""),
    *push.SIGNING,
    *reach.OPTIONS,
    progress.OPTION,
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Send the list, by default to the registry of its name; prints its digest."""
    from crun_py.oci.lists import Lists

    push.refuse_signing(values)
    kind = progress.kind_of(values)
    lists = Lists(context.paths, reach.access(values))
    with progress.display(kind, progress.PUSHED) as report:
        digest = lists.push(
            arguments[0],
            arguments[-1],
            everything=values["all"] is not False,
            form=values["format"] or "",
            kind=values["compression_format"] or "",
            progress=report,
        )
    push.write_digest(values, digest)
    if values["purge"]:
        lists.remove(arguments[0])
    if kind == "json":
        progress.result(kind, reference=arguments[-1], digest=digest)
    else:
        write(digest)
    return 0
