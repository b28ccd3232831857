"""crunpy pod kill."""

from __future__ import annotations

from crun_py import signals
from crun_py.cli.each import each
from crun_py.cli.pod.choice import CHOICE, chosen
from crun_py.engine import pods
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[POD...]"
OPTIONS = (*CHOICE, ("-s --signal", "value", "The signal (KILL)", "SIGNAL"))


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Signal pods' containers, and print the pods' ids."""
    number = signals.number(values.text("signal") or "KILL")
    return each(chosen(context, values, arguments), lambda name: pods.kill(context, name, number))
