"""crunpy image tree."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.oci.store.images import ImageStore
from crun_py.show import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "IMAGE"
OPTIONS = (("--whatrequires", "flag", "Show what is built on it instead", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the layers."""
    store = ImageStore(context.paths)
    image = store.find(arguments[0])
    for line in images.tree(store, image, what_requires=values.flag("whatrequires")):
        write(line)
    return 0
