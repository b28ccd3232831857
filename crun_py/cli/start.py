"""crunpy start."""

from __future__ import annotations

from crun_py import state
from crun_py.cli.attach import attach_to
from crun_py.cli.each import each_apart
from crun_py.cli.output import write
from crun_py.container import foreground, lifecycle
from crun_py.engine.context import Context
from crun_py.engine.selection import named
from crun_py.errors import CrunpyError, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-a --attach", "flag", "Attach to the output, pass signals on, exit as it exits", ""),
    ("-i --interactive", "flag", "Attach to everything, standard input too", ""),
    ("--detach-keys", "value", "Keys that leave the container running", "KEYS"),
    ("--all", "flag", "All containers that do not run", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("-f --filter", "list", "Those that `ps -a` would show with this filter", "KEY=VALUE"),
    ("--sig-proxy", "value", "Pass signals on to the container (true)", "BOOL"),
)


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Start; one that runs already is no error."""
    attached = values["attach"] or values["interactive"]
    names = named(
        context,
        arguments,
        values["all"],
        {"created", "exited"},
        latest=values["latest"],
        filters=values["filter"],
    )
    if attached and len(names) > 1:
        raise InvalidArgument("starting: only one container can be attached to")
    if attached:
        try:
            return _attached(values, names[0], context)
        except CrunpyError as e:
            e.exit_code = 1  # docker's
            raise

    def act(name: str) -> None:
        container = state.find(context.paths, name)
        if not container.status().running:
            context.enter(*container.modes)
            lifecycle.start(container, rootless=context.rootless, explain=context.explain)
        write(name)

    return each_apart(names, act, 1)  # docker's exit status


def _attached(values: dict[str, Any], name: str, context: Context) -> int:
    """Start one, or take what runs; the exit status is the container's."""
    container = state.find(context.paths, name)
    if container.status().running:
        return attach_to(
            container,
            None if values["interactive"] else ["stdout", "stderr"],
            values["detach_keys"],
            sig_proxy=values["sig_proxy"] != "false",
        )
    context.enter(*container.modes)
    return foreground.run(
        container,
        rootless=context.rootless,
        streams=[] if values["interactive"] else ["stdout", "stderr"],
        sig_proxy=values["sig_proxy"] != "false",
        detach_keys=values["detach_keys"],
        explain=context.explain,
    )
