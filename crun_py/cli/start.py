"""crunpy start."""

from __future__ import annotations

from crun_py import foreground, lifecycle, state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each_apart
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER..."
OPTIONS = (
    ("-a --attach", "flag", "Attach to the output, pass signals on, exit as it exits", ""),
    ("-i --interactive", "flag", "Attach to everything, standard input too", ""),
    ("--detach-keys", "value", "Keys that leave the container running", "KEYS"),
    ("--sig-proxy", "value", "Pass signals on to the container (true)", "BOOL"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Start; one that runs already is no error."""
    attached = values["attach"] or values["interactive"]
    if attached and len(arguments) > 1:
        raise InvalidArgument("starting: only one container can be attached to")
    if attached:
        container = state.find(context.paths, arguments[0])
        context.enter(container.record["network"]["mode"])
        return foreground.run(
            container,
            rootless=context.rootless,
            streams=[] if values["interactive"] else ["stdout", "stderr"],
            sig_proxy=values["sig_proxy"] != "false",
            detach_keys=values["detach_keys"],
            explain=context.explain,
        )

    def act(name: str) -> None:
        container = state.find(context.paths, name)
        if not container.status().running:
            context.enter(container.record["network"]["mode"])
            lifecycle.start(container, rootless=context.rootless, explain=context.explain)
        write(name)

    return each_apart(arguments, act)
