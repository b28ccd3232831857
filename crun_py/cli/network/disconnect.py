"""crunpy network disconnect."""

from __future__ import annotations

from crun_py.engine import networks
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "NETWORK CONTAINER"
OPTIONS = (("-f --force", "flag", "That it is not connected is no error", ""),)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Disconnect; a running container loses the network at once."""
    network, container = arguments
    networks.disconnect(context, network, container, force=values.flag("force"))
    return 0
