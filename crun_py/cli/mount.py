"""crunpy mount: show a container's root file system at a path of the host."""

from __future__ import annotations

from crun_py import jsonfile, state
from crun_py.cli.each import each
from crun_py.cli.output import write
from crun_py.container import inside, mounts
from crun_py.engine.context import Context
from crun_py.errors import InvalidArgument
from crun_py.overlay.mount import is_mounted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --all", "flag", "Mount all containers", ""),
    ("-l --latest", "flag", "Mount the container made last", ""),
    ("--format", "value", "json", "FORMAT"),
    ("--no-trunc --notruncate", "flag", "List whole ids", ""),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Print the path of each; without a container, list those that are mounted."""
    if values["format"] not in (None, "json"):
        raise InvalidArgument(f"format {values['format']!r}: not known", hint="known: json")
    mounts.require_namespace("mount")
    names = list(arguments)
    everything = state.every(context.paths)
    if values["all"]:
        names += [container.id for container in everything]
    elif values["latest"]:
        names += [container.id for container in everything[:1]]
    elif not names:
        shown = [c for c in everything if is_mounted(inside.merged(c))]
        if values["format"]:
            rows = [{"id": c.id, "Names": [c.name], "mountpoint": inside.merged(c)} for c in shown]
            write(jsonfile.dumps(rows, indent=1))
            return 0
        for container in shown:
            label = container.id if values["no_trunc"] else container.id[:12]
            write(f"{label} {inside.merged(container)}")
        return 0

    def act(name: str) -> None:
        path = mounts.show(state.find(context.paths, name))
        write(path if len(names) == 1 else f"{name} {path}")

    return each(names, act)
