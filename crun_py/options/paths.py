"""Paths of the host as users write them."""

from __future__ import annotations

import os

from crun_py import caller


def host_path(text: str) -> str:
    """An absolute path; ~ is the caller's home directory, ~NAME that user's."""
    head, _, rest = text.partition("/")
    if head == "~":
        text = caller.home(rest)
    return os.path.abspath(os.path.expanduser(text) if head.startswith("~") else text)
