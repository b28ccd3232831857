"""Streams, for threads.  crun_py/aio/_io.py is the same for asyncio."""

from __future__ import annotations

from typing import BinaryIO

from crun_py.model.descriptor import Descriptor
from crun_py.worker import wire

_PIECE_BYTES = 1 << 16
Reader = BinaryIO
Writer = BinaryIO


def input_pipe() -> tuple[Writer, Descriptor]:
    """(what is written to, the end that the container reads)."""
    theirs, ours = wire.pipe()
    return open(ours, "wb", buffering=0), Descriptor(theirs, owned=True)


def output_pipe() -> tuple[Reader, Descriptor]:
    """(what is read from, the end that the container writes to)."""
    ours, theirs = wire.pipe()
    return open(ours, "rb"), Descriptor(theirs, owned=True)


def drain(reader: Reader) -> None:
    """Wait until nobody writes to it any more."""
    while not reader.closed and reader.read(_PIECE_BYTES):
        pass


def close_reader(reader: Reader) -> None:
    """Read no more from it."""
    reader.close()
