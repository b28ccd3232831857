"""crunpy wait."""

from __future__ import annotations

from crun_py import clock
from crun_py.cli.each import each
from crun_py.engine import waiting
from crun_py.engine.context import Context
from crun_py.engine.selection import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.values import Values

ARGUMENTS = "[CONTAINER...]"
OPTIONS = (
    ("--condition", "list", "running, paused, exited, healthy, removed, … instead", "STATE"),
    ("-i --interval", "value", "How often to look for a condition (100ms)", "TIME"),
    ("--ignore", "flag", "A container that is not there is no error", ""),
    ("-l --latest", "flag", "The one created last", ""),
)


def main(values: Values, arguments: list[str], context: Context) -> int:
    """Wait for each and print its exit code; -1 where a condition has none."""
    words = [word for text in values.texts("condition") for word in text.split(",")]
    wanted = waiting.conditions(words)
    interval_s = clock.parse_span_ms(values.text("interval") or "100ms", "interval") / 1000

    def act(name: str) -> str:
        code = waiting.wait(
            context, name, condition=wanted, interval_s=interval_s, missing_ok=values.flag("ignore")
        )
        return str(code)

    return each(named(context, arguments, latest=values.flag("latest")), act)
