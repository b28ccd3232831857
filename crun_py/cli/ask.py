"""Asking before something is removed."""

from __future__ import annotations

import sys


def confirmed(warning: str) -> bool:
    """Print `warning` and docker's question; whether the answer on standard input is yes."""
    sys.stdout.write(f"{warning}\nAre you sure you want to continue? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
