"""Our standard input and output, where an archive goes through them."""

from __future__ import annotations

import os

from crun_py.errors import InvalidArgument


def refuse_terminal(fd: int, what: str, option: str) -> None:
    """Raises InvalidArgument when an archive would be read from or written to a terminal.

    fd: 0 or 1; option: what names a file instead.
    """
    if os.isatty(fd):
        raise InvalidArgument(
            f"{what}: standard {('input', 'output')[fd]} is a terminal",
            hint=f"{option} FILE, or redirect it",
        )
