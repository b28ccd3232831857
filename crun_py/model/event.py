"""What happened."""

from __future__ import annotations

from crun_py.record import record


@record
class Event:
    """Something that happened.

    time_ns: since 1970; type: "container", "image", "volume", "network" or "system"; id: the
    object's id or name; attributes: names and values as Docker's events have them.
    """

    time_ns: int
    type: str
    action: str
    id: str
    attributes: dict[str, str]
