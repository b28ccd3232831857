"""crunpy logout."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine import registries
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[REGISTRY]"
OPTIONS = (
    ("-a --all", "flag", "Everything that is kept", ""),
    ("--authfile", "value", "File of credentials", "FILE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Forget the credentials."""
    authfile = values.maybe("authfile")
    if values.flag("all"):
        registries.logout_everywhere(context, authfile=authfile)
        write("Removed login credentials for all registries")
        return 0
    registry = arguments[0] if arguments else ""
    host = registries.host_of(registry)
    if registries.logout(context, registry, authfile=authfile):
        write(f"Removed login credentials for {host}")
    else:
        write(f"Not logged in to {host}")
    return 0
