"""kill -9 of the command, the monitor or the first process, or Ctrl-C, before any call that
changes something: the next command tells the truth, and one rm -f leaves nothing (R10).

A sample of the points is tried, CRUNPY_CRASH_EVERY=1 tries all.
"""

from __future__ import annotations

import os
import zlib

import pytest
from crash_points import HIT, hits
from engine import Engine

EVERY = int(os.environ.get("CRUNPY_CRASH_EVERY", "59"))


@pytest.mark.parametrize(
    ("role", "number", "kind"), [(*who, kind) for who, kinds in HIT.items() for kind in kinds]
)
def test_hit_before_any_call(engine: Engine, role: str, number: int, kind: str) -> None:
    first = 1 + zlib.crc32(f"{role} {kind} {engine.rootless}".encode()) % EVERY
    for hit in hits(engine, role, number, kind, first, EVERY, 6 if EVERY > 1 else 100000):
        assert not hit.fault
