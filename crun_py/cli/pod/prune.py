"""crunpy pod prune."""

from __future__ import annotations

from crun_py.cli.ask import confirmed
from crun_py.cli.output import write
from crun_py.engine import pods
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = ""
OPTIONS = (
    ("-f --force", "flag", "Do not ask", ""),
    ("--dry-run", "flag", "Only say what would be removed", ""),
    ("--filter", "list", "until=, label=, label!=", "KEY=VALUE"),
)
WARNING = "WARNING! This will remove all stopped/exited pods.."


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove the pods that have ended, with their containers, and print their ids."""
    dry_run = values.flag("dry_run")
    if not dry_run and not values.flag("force") and not confirmed(WARNING):
        return 0
    for pod_id in pods.prune(context, values.texts("filter"), dry_run=dry_run).names:
        write(pod_id)
    return 0
