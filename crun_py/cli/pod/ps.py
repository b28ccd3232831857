"""crunpy pod ps."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import table
from crun_py.cli.output import write
from crun_py.engine import pods
from crun_py.engine.context import Context
from crun_py.show import pod_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-q --quiet", "flag", "Ids only", ""),
    ("-f --filter", "list", "Only some: status=, name=, label=, id=, ctr-names= …", "KEY=VALUE"),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
    ("--ctr-ids", "flag", "The ids of their containers, too", ""),
    ("--ctr-names", "flag", "The names of their containers, too", ""),
    ("--ctr-status", "flag", "The states of their containers, too", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("--no-trunc", "flag", "Whole ids", ""),
    ("--noheading", "flag", "Without the heading line", ""),
    ("--ns", "flag", "What their containers share, too", ""),
    ("--sort", "value", "created, id, name, number, status", "KEY"),
)
COLUMNS = (
    ("POD ID", "ID"),
    ("NAME", "Name"),
    ("STATUS", "Status"),
    ("CREATED", "Created"),
    ("INFRA ID", "InfraID"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print the table."""
    found = pods.infos(context, values.texts("filter"))
    if values.flag("latest"):
        found = found[:1]
    if values.text("format") == "json":
        write(jsonfile.dumps([pod_list.listed(pod) for pod in found]))
        return 0
    rows = pod_list.rows(found, whole=values.flag("no_trunc"), sort=values.text("sort"))
    quiet = "ID" if values.flag("quiet") else ""
    heading = not values.flag("noheading")
    table.show(rows, _columns(values), values.maybe("format"), quiet=quiet, heading=heading)
    return 0


def _columns(values: Values) -> tuple[tuple[str, str], ...]:
    more = [("CGROUP", "Cgroup"), ("NAMESPACES", "Namespaces")] if values.flag("ns") else []
    wanted = (
        (values.flag("ctr_ids"), ("IDS", "ContainerIds")),
        (values.flag("ctr_names"), ("NAMES", "ContainerNames")),
        (values.flag("ctr_status"), ("STATUS", "ContainerStatuses")),
    )
    number = ("# OF CONTAINERS", "NumberOfContainers")
    return (*COLUMNS, *more, *([column for given, column in wanted if given] or [number]))
