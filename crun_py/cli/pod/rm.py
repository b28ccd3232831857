"""crunpy pod rm."""

from __future__ import annotations

from crun_py.cli.container.stop import patience
from crun_py.cli.each import each
from crun_py.cli.pod.choice import CHOICE_BY_FILE, chosen
from crun_py.engine import containers, pods
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[POD...]"
OPTIONS = (
    *CHOICE_BY_FILE,
    ("-f --force", "flag", "Kill its containers first; a pod that is not there is no error", ""),
    ("-i --ignore", "flag", "A pod that is not there is no error", ""),
    (
        "-t --time",
        "value",
        "With -f: stop them first, SIGKILL after so long (-1: never)",
        "SECONDS",
    ),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Remove pods with their containers, and print the pods' ids."""
    timeout_s = patience(values.maybe("time"))

    def act(name: str) -> str | None:
        force = values.flag("force")
        ignore = force or values.flag("ignore")
        gone = pods.remove(context, name, force=force, timeout_s=timeout_s, missing_ok=ignore)
        return gone or None

    failed = each(chosen(context, values, arguments), act, 1)  # podman's exit status
    return each([""], lambda _: containers.sweep(context)) or failed
