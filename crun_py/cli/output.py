"""The command line's two ways out."""

from __future__ import annotations

import os
import sys


def write(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")


def write_error(text: str) -> None:
    """A line on standard error."""
    os.write(2, (text + "\n").encode(errors="backslashreplace"))


def write_warning(text: str) -> None:
    """A warning on standard error."""
    write_error(f"crunpy: warning: {text}")
