"""Do something for each of several names: an error of one does not stop the others."""

from __future__ import annotations

import os
import sys

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
            write_error(f"crunpy: error: {e.line()}")
            failed = e.exit_code
    return failed


def each_apart(names: Iterable[str], act: Callable[[str], None]) -> int:
    """As `each`, for an `act` that enters a container's user namespace: there is no way back
    from one, so a plain user's commands deal with each container in a child process."""
    from crun_py.ns import user

    unique = list(dict.fromkeys(names))
    if len(unique) < 2 or not user.needed():
        return each(unique, act)
    failed = 0
    for name in unique:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            status = each([name], act)
            sys.stdout.flush()
            os._exit(status)
        failed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or failed
    return failed
