"""crunpy oci pause."""

from __future__ import annotations

from crun_py.oci_runtime import life
from crun_py.oci_runtime.state import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "ID"
OPTIONS = ()


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Freeze it."""
    life.freeze(Container(runtime.root, arguments[0]), frozen=True)
    return 0
