"""Volumes as the engine tells of them."""

from __future__ import annotations

from crun_py.record import record


@record
class VolumeInfo:
    """A volume.

    mountpoint: the directory of its content; created_at: RFC 3339, "" where it is not known;
    options: the driver's, {} for a directory of its own; anonymous: made for one container, and
    removed with the last that has it; used_by: the names of the containers that have it.
    """

    name: str
    mountpoint: str
    created_at: str
    driver: str
    labels: dict[str, str]
    options: dict[str, str]
    anonymous: bool
    used_by: tuple[str, ...]
