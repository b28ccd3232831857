"""crunpy oci delete."""

from __future__ import annotations

from crun_py.errors import NotFound
from crun_py.oci_runtime import life
from crun_py.oci_runtime.state import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.cli.oci.command import Runtime
    from crun_py.values import Values

ARGUMENTS = "ID"
OPTIONS = (("-f --force", "flag", "Also one that runs; one that is not there is no error", ""),)


def main(values: Values, arguments: list[str], runtime: Runtime) -> int:
    """Remove it."""
    force = values.flag("force")
    try:
        life.delete(Container(runtime.root, arguments[0]), runtime.warn, force=force)
    except NotFound:
        if not force:
            raise
    return 0
