"""crunpy pod logs."""

from __future__ import annotations

from crun_py.cli.container import logs
from crun_py.engine import pods
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[POD]"
OPTIONS = (
    ("-c --container", "value", "Only of this one of its containers", "CONTAINER"),
    *logs.OPTIONS,
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the output of a pod's containers by time, each line behind its container's id; without
    that, as podman does, where one is asked for."""
    name = pods.named(context, arguments, latest=values.flag("latest"))[0]
    only = values.text("container")
    found = pods.logging(context, name, only)
    if found:
        logs.tell(values, [logs.source(one, values) for one in found], several=not only)
    return 0
