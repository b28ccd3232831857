"""crunpy pod inspect."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.cli.each import each
from crun_py.engine import pods
from crun_py.engine.context import Context
from crun_py.show import pod_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[POD...]"
OPTIONS = (
    ("-f --format", "value", "A Go template, or json", "FORMAT"),
    ("-l --latest", "flag", "The one created last", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a JSON array, or the template for each."""
    found: list[dict[str, object]] = []
    names = pods.named(context, arguments, latest=values.flag("latest"))
    act = lambda name: found.append(pod_list.document(pods.inspect(context, name)))  # noqa: E731
    status = each(names, act)
    table.documents(found, values.text("format"))
    return status
