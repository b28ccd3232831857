"""crunpy manifest annotate."""

from __future__ import annotations

from crun_py.cli.manifest import add as manifest_add
from crun_py.cli.output import write
from crun_py.engine import manifests
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "LIST IMAGE"
OPTIONS = manifest_add.ABOUT


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Change what the list says of an image; prints the list's digest."""
    name, image = arguments
    write(manifests.annotate(context, name, image, manifest_add.change_of(values)))
    return 0
