"""crunpy oci state."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli.output import write
from crun_py.oci_runtime.state import Container, document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "ID"
OPTIONS = ()


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Print it (runtime.md, "Query State")."""
    container = Container(runtime.root, arguments[0])
    write(jsonfile.dumps(document(container, container.read()), indent=2))
    return 0
