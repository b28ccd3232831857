"""crunpy pod stats."""

from __future__ import annotations

from crun_py.cli.container import stats
from crun_py.cli.pod.choice import CHOICE
from crun_py.engine import pods
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[POD...]"
OPTIONS = (
    *CHOICE,
    *(entry for entry in stats.OPTIONS if entry[0].split()[-1] not in ("--all", "--latest")),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a table of the running containers of pods each second, until interrupted."""
    latest = values.flag("latest")
    names = pods.named(context, arguments, values.flag("all") or not arguments, latest=latest)
    return stats.watch(values, lambda: pods.running(context, names))
