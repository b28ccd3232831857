"""volume.json: a volume that is there."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class Volume(TypedDict):
    """options: of the driver, for one that is made of something else.  unused: no container has
    had it: the first one fills it."""

    version: NotRequired[int]
    name: str
    created: str
    labels: dict[str, str]
    anonymous: bool
    options: NotRequired[dict[str, str]]
    unused: NotRequired[bool]
