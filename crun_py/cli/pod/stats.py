"""crunpy pod stats."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import table
from crun_py.cli.container import stats
from crun_py.cli.output import write
from crun_py.cli.pod.choice import CHOICE
from crun_py.engine import pods
from crun_py.engine.context import Context
from crun_py.show import pod_list
from crun_py.show.stats import used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.container.stats import Samples
    from crun_py.state import Container
    from crun_py.values import Values

ARGUMENTS = "[POD...]"
OPTIONS = (
    *CHOICE,
    *(entry for entry in stats.OPTIONS if entry[0].split()[-1] not in ("--all", "--latest")),
)
COLUMNS = (
    ("POD", "Pod"),
    ("CID", "CID"),
    ("NAME", "Name"),
    ("CPU %", "CPU"),
    ("MEM USAGE/ LIMIT", "MemUsage"),
    ("MEM %", "Mem"),
    ("NET IO", "NetIO"),
    ("BLOCK IO", "BlockIO"),
    ("PIDS", "PIDS"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a table of the running containers of pods each second, until interrupted."""
    latest = values.flag("latest")
    names = pods.named(context, arguments, values.flag("all") or not arguments, latest=latest)

    def tabulate(shown: list[Container], before: Samples, after: Samples) -> None:
        rows = [
            pod_list.used(used(c, before.get(c.id, after[c.id]), after[c.id]), c.record["pod"],
                          whole=values.flag("no_trunc"))
            for c in shown
            if c.id in after
        ]  # fmt: skip
        if values.text("format") == "json":
            write(jsonfile.dumps(rows))
        else:
            table.show(rows, COLUMNS, values.maybe("format"))

    return stats.watch(values, lambda: pods.running(context, names), tabulate)
