"""crunpy wait."""

from __future__ import annotations

from crun_py import lifecycle, state
from crun_py.cli.context import Context, write
from crun_py.cli.each import each

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARGUMENTS = "CONTAINER..."
OPTIONS = ()


def main(values: dict[str, Any], arguments: list[str], context: Context) -> int:
    """Wait for each and print its exit code."""
    return each(arguments, lambda name: write(str(lifecycle.wait(state.find(context.paths, name)))))
