"""Waiting and streams, for asyncio.  crun_py/blocking/_io.py is the same for threads."""

from __future__ import annotations

import asyncio

from crun_py.model.descriptor import Descriptor
from crun_py.worker import wire

_PIECE_BYTES = 1 << 16
Reader = asyncio.StreamReader


class Writer:
    """What a container reads.  `close` is the end of its input."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def write(self, data: bytes) -> None:
        """Give all of `data` to the container; waits while it does not read.

        Raises BrokenPipeError when it has closed its input."""
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        """No more will come."""
        self._writer.close()


class _Flow(asyncio.streams.FlowControlMixin):
    """The protocol of a pipe that is written to."""

    async def _get_close_waiter(self, writer: asyncio.StreamWriter) -> None:
        """asyncio.StreamWriter.wait_closed asks for it."""


async def input_pipe() -> tuple[Writer, Descriptor]:
    """(what is written to, the end that the container reads)."""
    theirs, ours = wire.pipe()
    loop = asyncio.get_running_loop()
    file = open(ours, "wb", buffering=0)  # noqa: SIM115  (the transport's)
    transport, protocol = await loop.connect_write_pipe(_Flow, file)
    writer = Writer(asyncio.StreamWriter(transport, protocol, None, loop))
    return writer, Descriptor(theirs, owned=True)


async def output_pipe() -> tuple[Reader, Descriptor]:
    """(what is read from, the end that the container writes to)."""
    ours, theirs = wire.pipe()
    reader = asyncio.StreamReader()
    file = open(ours, "rb", buffering=0)  # noqa: SIM115  (the transport's)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), file
    )
    return reader, Descriptor(theirs, owned=True)


async def drain(reader: Reader) -> None:
    """Wait until nobody writes to it any more."""
    while await reader.read(_PIECE_BYTES):
        pass


async def close_reader(reader: Reader) -> None:
    """Read no more from it."""
    transport = getattr(reader, "_transport", None)
    if transport is not None:
        transport.close()
