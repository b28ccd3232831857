"""The command line that is this program."""

from __future__ import annotations

import os
import sys


def program() -> tuple[str, ...]:
    """The words with which others can start us again."""
    path = os.path.abspath(sys.argv[0])
    return (path,) if os.access(path, os.X_OK) else (sys.executable, "-I", path)
