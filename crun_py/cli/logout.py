"""crunpy logout."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[REGISTRY]"
OPTIONS = (
    ("-a --all", "flag", "Everything that is kept", ""),
    ("--authfile", "value", "File of credentials", "FILE"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Forget the credentials."""
    from crun_py.oci import login
    from crun_py.oci.access import registry_of

    if values["all"]:
        login.forget_all(values["authfile"])
        write("Removed login credentials for all registries")
        return 0
    registry, path = registry_of(arguments[0] if arguments else login.DEFAULT_REGISTRY)
    if login.forget(registry, path, values["authfile"]):
        write(f"Removed login credentials for {registry}")
    else:
        write(f"Not logged in to {registry}")
    return 0
