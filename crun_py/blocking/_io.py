"""Streams, for threads.  crun_py/aio/_io.py is the same for asyncio."""

from __future__ import annotations

import os
from typing import BinaryIO

from crun_py.model.descriptor import Descriptor

Reader = BinaryIO
Writer = BinaryIO


def input_pipe() -> tuple[Writer, Descriptor]:
    """(what is written to, the end that the container reads)."""
    theirs, ours = os.pipe2(os.O_CLOEXEC)
    return open(ours, "wb", buffering=0), Descriptor(theirs, owned=True)


def output_pipe() -> tuple[Reader, Descriptor]:
    """(what is read from, the end that the container writes to)."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    return open(ours, "rb"), Descriptor(theirs, owned=True)


def close_reader(reader: Reader) -> None:
    """Read no more from it."""
    reader.close()
