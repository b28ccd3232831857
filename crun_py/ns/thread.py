"""Work in a thread that ends with it: what it enters, it need not leave, and often could not."""

from __future__ import annotations

import _thread
import errno

from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


def in_thread(function: Callable[[], T], doing: str = "entering a namespace") -> T:
    """What function() returns, run in a thread of its own; it raises what that raises.

    doing: what an error says when there can be no thread."""
    made: list[T] = []
    failed: list[BaseException] = []
    done = _thread.allocate_lock()

    def act() -> None:
        try:
            made.append(function())
        except BaseException as e:
            failed.append(e)
        finally:
            done.release()

    done.acquire()
    try:
        _thread.start_new_thread(act, ())
    except RuntimeError as e:
        raise CrunpyError(f"{doing}: {e}", errno=errno.EAGAIN) from e
    done.acquire()
    if failed:
        raise failed[0]
    return made[0]
