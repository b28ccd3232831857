"""What a prune came to."""

from __future__ import annotations

from crun_py.record import record


@record
class Pruned:
    """names: ids or names of what was removed (of images, docker's lines for it); freed_bytes:
    what that was worth on disk."""

    names: tuple[str, ...] = ()
    freed_bytes: int = 0
