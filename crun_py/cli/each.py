"""Do something for each of several names: an error of one does not stop the others."""

from __future__ import annotations

from crun_py.cli.context import write_error
from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def each(names: Iterable[str], act: Callable[[str], None]) -> int:
    """Call `act` with each name once; 125 if any of them failed (each has been reported)."""
    failed = 0
    for name in dict.fromkeys(names):
        try:
            act(name)
        except CrunpyError as e:
            hint = f" ({e.hint})" if e.hint else ""
            write_error(f"crunpy: error: {e.message}{hint}")
            failed = e.exit_code
    return failed
