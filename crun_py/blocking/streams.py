# Written by tools/blocking.py from crun_py/aio: change it there.

"""The streams of a container, or of a command in it, as files."""

from __future__ import annotations

from crun_py.blocking import _io
from crun_py.errors import CrunpyError
from crun_py.library.values import OnEvent, expect
from crun_py.worker.channel import Stream, Worker


class Attached:
    """Streams that are attached inside a `with`.

    stdin: what it reads, None where its input is not open.  stdout, stderr: what it writes from now
    on (with a terminal all of it is on stdout).  Read both, or it waits when one of them is full.
    """

    def __init__(
        self,
        worker: Worker,
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
        self._stream: Stream | None = None
        self.stdin: _io.Writer | None = None
        self.stdout: _io.Reader
        self.stderr: _io.Reader

    def __enter__(self) -> Attached:
        typed = None
        if self._reads:
            self.stdin, typed = _io.input_pipe()
        self.stdout, out = _io.output_pipe()
        self.stderr, err = _io.output_pipe()
        self._stream = self._worker.stream(
            self._call, *self._arguments, typed, out, err, *self._further, on_event=self._on_event
        )
        try:
            self._stream.__next__()  # it has begun
        finally:
            for end in (typed, out, err):
                if end is not None:
                    end.close()
        return self

    def wait(self) -> int:
        """Its exit code, when it has ended.  Raises CrunpyError when that is not known."""
        if self._stream is None:
            raise CrunpyError("waiting for an attached container: it is not attached")
        try:
            return expect(int, self._stream.__next__())
        except StopIteration:
            raise CrunpyError("waiting for an attached container: it was waited for") from None

    def __exit__(self, *_: object) -> None:
        """Detach; the container goes on."""
        if self._stream is not None:
            self._stream.close()
        for reader in (self.stdout, self.stderr):
            _io.drain(reader)  # who passes the streams on is gone then, and no end of
            _io.close_reader(reader)  # our input can get to the container
        if self.stdin is not None:
            self.stdin.close()
