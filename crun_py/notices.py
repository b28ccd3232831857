"""Warnings: what went on in another way than was asked for, but is no error.

The engine only says them; whoever called it listens: the command line prints them, the library
hands them to its caller.  One listener for the process, as an engine works in a process of its
own.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_listeners: list[Callable[[str], object]] = []


def listen(listener: Callable[[str], object]) -> None:
    """Give every later warning, one line without an end of line, to `listener` alone."""
    _listeners[:] = [listener]


def warn(line: str) -> None:
    """Tell `line`: what happened, to which object."""
    for listener in _listeners:
        listener(line)


def warn_once(mark: str, line: str) -> None:
    """Tell `line` unless the file `mark` says that it was told; that is made.  Raises OSError."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    warn(line)
