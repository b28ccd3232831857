"""crunpy inspect."""

from __future__ import annotations

from crun_py import jsonfile
from crun_py.cli import table
from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.show import inspect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[NAME...]"
OPTIONS = (
    ("-f --format", "value", "A Go template, or json", "FORMAT"),
    ("-t --type", "value", "container, image, volume or network", "TYPE"),
    ("-l --latest", "flag", "The container created last", ""),
    ("-s --size", "flag", "The size of a container's writable layer", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print a JSON array, or the template for each; what is missing is reported at the end."""
    if values["type"] not in (None, "container", "image", "volume", "network"):
        raise InvalidArgument(f"type {values['type']!r}: not container, image, volume or network")
    if values["latest"]:
        from crun_py import state

        arguments = [state.latest(context.paths).id]
    if not arguments:
        raise InvalidArgument("inspect: missing argument 'NAME'", hint="crunpy inspect --help")
    found: list[dict[str, Any]] = []
    status = each(
        arguments,
        lambda name: found.append(
            inspect.anything(context.paths, name, values["type"], size=values["size"])
        ),
    )
    if values["format"] and values["format"] != "json":
        for value in found:
            write(table.fill(values["format"], value))
    else:
        write(jsonfile.dumps(found, indent=None if values["format"] else 4))
    return status
