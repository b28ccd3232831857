"""crunpy inspect."""

from __future__ import annotations

from crun_py.cli import table
from crun_py.cli.each import each
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.show import inspect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[NAME...]"
OPTIONS = (
    ("-f --format", "value", "A Go template, or json", "FORMAT"),
    ("-t --type", "value", "container, image, volume or network", "TYPE"),
    ("-l --latest", "flag", "The container created last", ""),
    ("-s --size", "flag", "The size of a container's writable layer", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Print a JSON array, or the template for each; what is missing is reported at the end."""
    kind = values.maybe("type")
    if kind not in (None, "container", "image", "volume", "network"):
        raise InvalidArgument(f"type {kind!r}: not container, image, volume or network")
    chosen = names(context, arguments, latest=values.flag("latest"))
    return show(context, chosen, kind, values.text("format"), size=values.flag("size"))


def names(context: Context, arguments: list[str], *, latest: bool) -> list[str]:
    """What is to be shown.  Raises InvalidArgument when that is nothing."""
    if latest:
        from crun_py import state

        return [state.latest(context.paths).id]
    if not arguments:
        raise InvalidArgument("inspect: missing argument 'NAME'", hint="crunpy inspect --help")
    return arguments


def show(
    context: Context, names: list[str], kind: str | None, template: str, *, size: bool = False
) -> int:
    """Print what is known of things of a kind, see `show.inspect.anything`; the exit status."""
    found: list[dict[str, object]] = []
    status = each(
        names, lambda name: found.append(inspect.anything(context.paths, name, kind, size=size))
    )
    table.documents(found, template)
    return status
