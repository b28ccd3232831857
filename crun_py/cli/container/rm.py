"""crunpy rm."""

from __future__ import annotations

from crun_py.cli.container.stop import patience
from crun_py.cli.each import chosen, each, each_apart
from crun_py.engine import containers, selection
from crun_py.engine.context import Context
from crun_py.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("-f --force", "flag", "Kill it first if it runs; what is not there is no error", ""),
    ("-v --volumes", "flag", "Remove its anonymous volumes too", ""),
    ("-a --all", "flag", "Remove all containers", ""),
    ("-l --latest", "flag", "The one created last", ""),
    ("--dry-run", "flag", "Only say what would be removed", ""),
    ("--link", "flag", "Remove a link (links have no life of their own here: an error)", ""),
    ("--depend", "flag", "Remove the containers that share its namespaces too", ""),
    ("-t --time", "value", "With -f: stop it first, SIGKILL after so long (-1: never)", "SECONDS"),
    ("-i --ignore", "flag", "A container that is not there is no error", ""),
    ("--filter", "list", "Those that `ps -a` would show with this filter", "KEY=VALUE"),
    ("--cidfile", "list", "Those whose ids are in these files", "FILE"),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove and print each name."""
    if values.flag("link"):
        raise Conflict(
            "removing a link: links are part of their container here",
            hint="remove the container, or leave it",
        )
    timeout_s = patience(values.maybe("time"))
    names = (
        selection.removable(context) if values.flag("all") else chosen(context, values, arguments)
    )
    if values.flag("depend"):
        names = selection.with_dependents(context, names)
    if len(names) > 1:
        names = selection.dependents_first(context, names)

    dry_run, gone = values.flag("dry_run"), set[str]()

    def act(name: str) -> str | None:
        removed = containers.remove(
            context,
            name,
            force=values.flag("force"),
            timeout_s=timeout_s,
            volumes=values.flag("volumes"),
            missing_ok=values.flag("force") or values.flag("ignore"),
            dry_run=dry_run,
            gone=gone,
        )
        return name if removed else None

    if dry_run:
        return each(names, act, 1)
    failed = each_apart(names, act, 1)  # docker's and podman's exit status
    return each_apart([""], lambda _: containers.sweep(context)) or failed
