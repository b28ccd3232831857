"""crunpy manifest push."""

from __future__ import annotations

from crun_py.cli import progress, reach
from crun_py.cli.image import push
from crun_py.engine import manifests
from crun_py.engine.context import Context
from crun_py.model.registry import PushChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

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


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Send the list, by default to the registry of its name; prints its digest."""
    push.refuse_signing(values)
    kind = progress.kind_of(values)
    change = PushChange(compression=values.text("compression_format"), format=values.text("format"))
    progress.show(context, kind, progress.PUSHED)
    pushed = manifests.push(
        context,
        arguments[0],
        arguments[-1],
        everything=values.switch("all") is not False,
        change=change,
        reach=reach.of(values),
    )
    push.write_digest(values, pushed.digest)
    if values.flag("purge"):
        manifests.remove(context, arguments[0])
    push.tell_list(kind, arguments[-1], pushed.digest)
    return 0
