"""crunpy volume inspect."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.cli.each import each
from crun_py.engine import volumes
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.show import volume_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.rows import VolumeShown
    from crun_py.values import Values

ARGUMENTS = "[VOLUME...]"
OPTIONS = (
    ("-f --format", "value", "A Go template, or json", "FORMAT"),
    ("-a --all", "flag", "All volumes", ""),
    ("-s --size", "flag", "Count what they hold (UsageData)", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a JSON array, or the template for each."""
    names = volumes.names(context) if values.flag("all") else arguments
    if not names and not values.flag("all"):
        raise InvalidArgument("no volume given", hint="names, or --all")
    found: list[VolumeShown] = []
    if values.flag("size"):
        context.enter()  # files of a user's containers are not all the user's

    def act(name: str) -> None:
        own = volumes.resolve(context, name)
        found.append(volume_list.inspected(context.paths, own, size=values.flag("size")))

    status = each(names, act, 1)
    table.documents(found, values.text("format"))
    return status
