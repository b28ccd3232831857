"""The command line's two ways out."""

from __future__ import annotations

import os
import sys

from crun_py.errors import printable


def write(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")


def write_error(text: str) -> None:
    """A line on standard error, if it takes one: on a full disk the work itself goes on."""
    try:
        os.write(2, (text + "\n").encode(errors="backslashreplace"))
    except BrokenPipeError:
        raise
    except OSError:
        return


def write_warning(text: str) -> None:
    """A warning on standard error."""
    write_error(f"crunpy: warning: {printable(text)}")
