"""crunpy system df."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import table
from crun_py.cli.container import ps
from crun_py.cli.output import write
from crun_py.engine import system
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    Rows = list[dict[str, object]]

    class Report(Protocol):
        """What takes space, as rows with Docker's names."""

        def summary(self) -> Sequence[Mapping[str, object]]: ...
        def images(self) -> Rows: ...
        def containers(self) -> Rows: ...
        def volumes(self) -> Rows: ...

    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-v --verbose", "flag", "Each image, container and volume", ""),
    ("--format", "value", "A Go template, `table TEMPLATE`, or json", "FORMAT"),
)
COLUMNS = (
    ("TYPE", "Type"),
    ("TOTAL", "TotalCount"),
    ("ACTIVE", "Active"),
    ("SIZE", "Size"),
    ("RECLAIMABLE", "Reclaimable"),
)
_IMAGES = (
    ("REPOSITORY", "Repository"),
    ("TAG", "Tag"),
    ("IMAGE ID", "ID"),
    ("CREATED", "CreatedSince"),
    ("SIZE", "Size"),
    ("SHARED SIZE", "SharedSize"),
    ("UNIQUE SIZE", "UniqueSize"),
    ("CONTAINERS", "Containers"),
)
_CONTAINERS = (
    *ps.COLUMNS[:3],
    ("LOCAL VOLUMES", "LocalVolumes"),
    ("SIZE", "Size"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("NAMES", "Names"),
)
_VOLUMES = (("VOLUME NAME", "Name"), ("LINKS", "Links"), ("SIZE", "Size"))


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print what takes space."""
    return show(values, system.report(context))


def show(values: Values, report: Report) -> int:
    """Print what a report tells."""
    form = values.maybe("format")
    if not values.flag("verbose"):
        table.show(report.summary(), COLUMNS, form)
        return 0
    parts = {
        "Images": report.images(),
        "Containers": report.containers(),
        "Volumes": report.volumes(),
        "BuildCache": [],
    }
    if form == "json":
        write(jsonfile.dumps(parts))
        return 0
    if form:
        write(table.fill(form, parts))
        return 0
    for title, rows, columns in (
        ("Images", parts["Images"], _IMAGES),
        ("Containers", parts["Containers"], _CONTAINERS),
        ("Local Volumes", parts["Volumes"], _VOLUMES),
    ):
        write(f"{title} space usage:\n")
        table.show(rows, columns)
        write("")
    write(f"Build cache usage: {report.summary()[3]['Size']}")
    return 0
