"""crunpy network inspect."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.cli.each import each
from crun_py.engine import networks
from crun_py.engine.context import Context
from crun_py.show import network_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "NETWORK..."
OPTIONS = (
    ("-f --format", "value", "A Go template, or json", "FORMAT"),
    ("-v --verbose", "flag", "Accepted: everything is shown", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a JSON array, or the template for each."""
    found: list[dict[str, object]] = []

    def act(name: str) -> None:
        plain = network_list.built_in(name)
        found.append(plain or network_list.document(networks.inspect(context, name)))

    status = each(arguments, act, 1)
    table.documents(found, values.text("format"))
    return status
