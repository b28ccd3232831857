"""crunpy kube down."""

from __future__ import annotations

from crun_py.cli.kube import manifest
from crun_py.cli.output import write
from crun_py.engine import kube
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.model.kube import TakenDown
    from crun_py.values import Values

ARGUMENTS = "FILE"
OPTIONS = (("--force", "flag", "Remove the volumes of its claims, too", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Stop and remove what a manifest (- for standard input) made, and tell what."""
    data = manifest.read(arguments[0])
    tell(kube.down(context, data, what=arguments[0], force=values.flag("force")))
    return 0


def tell(done: TakenDown) -> None:
    """As podman says it."""
    for heading, lines in (
        ("Pods stopped:", done.stopped),
        ("Pods removed:", done.removed),
        ("Secrets removed:", done.secrets),
        ("Volumes removed:", done.volumes),
    ):
        write("\n".join([heading, *lines]))
