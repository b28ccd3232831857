"""The engine of the functions that name none: the user's own store."""

from __future__ import annotations

import threading
from typing import TypeVar

T = TypeVar("T")

_engines: dict[type, object] = {}
_lock = threading.Lock()


def engine(kind: type[T]) -> T:
    """The one engine of this class, made when it is first asked for."""
    with _lock:
        found = _engines.setdefault(kind, None)
        if found is None:
            found = _engines[kind] = kind()
        assert isinstance(found, kind)
        return found
