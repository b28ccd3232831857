"""crunpy pod start."""

from __future__ import annotations

from crun_py.cli.each import each
from crun_py.cli.pod.choice import CHOICE_BY_FILE, chosen
from crun_py.engine import pods
from crun_py.engine.context import Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[POD...]"
OPTIONS = CHOICE_BY_FILE


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Start pods' containers, and print their ids."""
    return each(chosen(context, values, arguments), lambda name: pods.start(context, name))
