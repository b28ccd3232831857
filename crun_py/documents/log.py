"""A line of container.log, json-file."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class LogLine(TypedDict):
    """log: the text, with its newline if it ended there.  stream: stdout or stderr.  lost: so many
    entries are missing before this one, which has no text."""

    log: str
    stream: str
    time: str
    lost: NotRequired[int]
