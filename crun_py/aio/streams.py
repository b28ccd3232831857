"""The streams of a container, or of a command in it, as files."""

from __future__ import annotations

from crun_py.aio import _io
from crun_py.errors import CrunpyError
from crun_py.library.values import OnEvent, expect
from crun_py.worker.channel_async import AsyncStream, AsyncWorker


class Attached:
    """Streams that are attached inside a `with`.

    stdin: what it reads, None where its input is not open.  stdout, stderr: what it writes from now
    on (with a terminal all of it is on stdout).  Read both, or it waits when one of them is full.
    """

    def __init__(
        self,
        worker: AsyncWorker,
        call: str,
        arguments: tuple[object, ...],
        *,
        reads: bool,
        on_event: OnEvent = None,
        further: tuple[object, ...] = (),
    ) -> None:
        """further: arguments of the call after the streams."""
        self._worker, self._call, self._arguments = worker, call, arguments
        self._on_event, self._further = on_event, further
        self._reads = reads
        self._stream: AsyncStream | None = None
        self.stdin: _io.Writer | None = None
        self.stdout: _io.Reader
        self.stderr: _io.Reader

    async def __aenter__(self) -> Attached:
        typed = None
        if self._reads:
            self.stdin, typed = await _io.input_pipe()
        self.stdout, out = await _io.output_pipe()
        self.stderr, err = await _io.output_pipe()
        self._stream = self._worker.stream(
            self._call, *self._arguments, typed, out, err, *self._further, on_event=self._on_event
        )
        try:
            await self._stream.__anext__()  # it has begun
        finally:
            for end in (typed, out, err):
                if end is not None:
                    end.close()
        return self

    async def wait(self) -> int:
        """Its exit code, when it has ended.  Raises CrunpyError when that is not known."""
        if self._stream is None:
            raise CrunpyError("waiting for an attached container: it is not attached")
        try:
            return expect(int, await self._stream.__anext__())
        except StopAsyncIteration:
            raise CrunpyError("waiting for an attached container: it was waited for") from None

    async def __aexit__(self, *_: object) -> None:
        """Detach; the container goes on."""
        if self._stream is not None:
            await self._stream.aclose()
        for reader in (self.stdout, self.stderr):
            await _io.drain(reader)  # who passes the streams on is gone then, and no end of
            await _io.close_reader(reader)  # our input can get to the container
        if self.stdin is not None:
            await self.stdin.close()
