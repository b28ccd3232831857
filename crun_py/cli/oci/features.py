"""crunpy oci features."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli.output import write
from crun_py.oci_runtime.features import features

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = ()


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Print them."""
    write(jsonfile.dumps(features(), indent=2))
    return 0
