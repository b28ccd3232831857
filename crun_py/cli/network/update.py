"""crunpy network update."""

from __future__ import annotations

from crun_py.cli.output import write
from crun_py.engine import networks
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "NETWORK"
OPTIONS = (
    ("--dns-add", "list", "A name server more", "ADDRESS"),
    ("--dns-drop", "list", "One less", "ADDRESS"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Change the network's name servers; containers that run on it ask them at once."""
    added = [address for text in values.texts("dns_add") for address in text.split(",")]
    dropped = [address for text in values.texts("dns_drop") for address in text.split(",")]
    write(networks.update(context, arguments[0], dns_add=added, dns_drop=dropped).name)
    return 0
