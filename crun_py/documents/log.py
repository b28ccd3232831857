"""A line of container.log, json-file."""

from __future__ import annotations

from typing import TypedDict


class LogLine(TypedDict):
    """log: the text, with its newline if it ended there.  stream: stdout or stderr."""

    log: str
    stream: str
    time: str
