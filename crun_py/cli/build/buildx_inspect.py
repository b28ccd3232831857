"""crunpy buildx inspect: the one builder."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values
ARGUMENTS = "[NAME]"
OPTIONS = (("--bootstrap", "flag", "Accepted", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print what docker prints of a builder, as far as it means something here."""
    from crun_py.oci.manifest import host_platform

    write(f"Name:      {arguments[0] if arguments else 'default'}")
    write("Driver:    crunpy")
    write("Status:    running")
    write(f"Platforms: {host_platform()}")
    return 0
