"""crunpy pod stop."""

from __future__ import annotations

from crun_py.cli.container.stop import patience
from crun_py.cli.each import each
from crun_py.cli.pod.choice import CHOICE_BY_FILE, chosen
from crun_py.engine import pods
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[POD...]"
OPTIONS = (
    *CHOICE_BY_FILE,
    ("-t --time --timeout", "value", "Seconds until SIGKILL (-1: never)", "SECONDS"),
    ("-i --ignore", "flag", "A pod that is not there is no error", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Stop pods' containers, and print the pods' ids."""
    timeout_s = patience(values.maybe("time"))

    def act(name: str) -> str | None:
        ignore = values.flag("ignore")
        return pods.stop(context, name, timeout_s=timeout_s, missing_ok=ignore) or None

    return each(chosen(context, values, arguments), act)
