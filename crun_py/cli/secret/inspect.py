"""crunpy secret inspect."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.cli.each import each
from crun_py.engine import secrets
from crun_py.engine.context import Context
from crun_py.show import secret_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "SECRET..."
OPTIONS = (
    ("-f --format", "value", "A Go template, or json", "FORMAT"),
    ("--pretty", "flag", "Lines for people", ""),
    ("--showsecret", "flag", "What it holds, too", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a JSON array, or the template for each."""
    found: list[dict[str, object]] = []

    def act(name: str) -> None:
        held = secrets.read(context, name) if values.flag("showsecret") else None
        found.append(secret_list.document(secrets.inspect(context, name), held))

    status = each(arguments, act, 1)
    template = secret_list.PRETTY if values.flag("pretty") else values.text("format")
    table.documents(found, template)
    return status
