"""crunpy oci start."""

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
    """Let its command run."""
    life.start(Container(runtime.root, arguments[0]), runtime.warn)
    return 0
