"""crunpy oci checkpoint, restore."""

from __future__ import annotations

from crun_py.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "[ARG...]"
OPTIONS = ()
MIXED = False


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Refuse."""
    raise Unsupported("checkpoints: not made here", hint="criu(8) dumps processes itself")
