"""crunpy oci list."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import table
from crun_py.cli.output import write
from crun_py.errors import CorruptState, InvalidArgument, NotFound
from crun_py.oci_runtime.state import document, every

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-f --format", "value", "table or json", "FORMAT"),
    ("-q --quiet", "flag", "Ids only", ""),
)
_COLUMNS = (
    ("ID", "id"),
    ("PID", "pid"),
    ("STATUS", "status"),
    ("BUNDLE", "bundle"),
    ("CREATED", "created"),
    ("OWNER", "owner"),
)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Print them."""
    rows: list[dict[str, object]] = []
    for container in every(runtime.root):
        try:
            rows.append(document(container, container.read()))
        except NotFound:
            continue  # removed just now
        except CorruptState as e:
            runtime.warn(e.line())
    form = values.text("format") or "table"
    if form not in ("table", "json"):
        raise InvalidArgument(f"list: format {form!r}: not table or json")
    if form == "json" and not values.flag("quiet"):
        write(jsonfile.dumps(rows or None))
        return 0
    table.show(rows, _COLUMNS, quiet="id" if values.flag("quiet") else "")
    return 0
