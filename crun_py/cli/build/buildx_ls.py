"""crunpy buildx ls: the one builder."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values
ARGUMENTS = ""
OPTIONS = ()


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print it as docker prints its builders."""
    from crun_py.oci.manifest import host_platform

    write("NAME/NODE    DRIVER/ENDPOINT   STATUS    PLATFORMS")
    write(f"default*     crunpy            running   {host_platform()}")
    return 0
