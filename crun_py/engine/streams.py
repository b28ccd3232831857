"""The streams of a container that go to no terminal: kept, or passed on to descriptors."""

from __future__ import annotations

import os

from crun_py.model.container import Client
from crun_py.model.state import Finished, Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.model.descriptor import Descriptor

_NAMES = {1: "stdout", 2: "stderr"}
_NO_KEYS = b""


class Captured:
    """A client that types `stdin` and keeps what comes, or reports it as Output records."""

    def __init__(self, stdin: bytes, report: Callable[[object], None] | None = None) -> None:
        self._report = report
        self._input = os.memfd_create("stdin", os.MFD_CLOEXEC)
        view = memoryview(stdin)
        while view:
            view = view[os.write(self._input, view) :]
        os.lseek(self._input, 0, os.SEEK_SET)
        self._output = {1: bytearray(), 2: bytearray()}
        self.client = Client(stdin=self._input, sig_proxy=False, detach_keys=_NO_KEYS)

    def __enter__(self) -> Captured:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._input)

    def keep(self, stream: int, data: memoryview) -> None:
        """A sink of attach.Session."""
        if self._report:
            self._report(Output(stream=_NAMES[stream], data=bytes(data)))
            return
        self._output[stream] += data

    def finished(self, container_id: str, code: int) -> Finished:
        """What it came to."""
        return Finished(
            container=container_id,
            exit_code=code,
            stdout=bytes(self._output[1]),
            stderr=bytes(self._output[2]),
        )


class opened:  # used as a function is
    """A client with these descriptors; the null device for those that are None."""

    def __init__(self, *files: Descriptor | None, sizes: Descriptor | None = None) -> None:
        self._files, self._sizes = files, sizes
        self._null = -1

    def __enter__(self) -> Client:
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stdin, stdout, stderr = (self._null if f is None else f.fd for f in self._files)
        return Client(
            stdin=stdin, stdout=stdout, stderr=stderr, sig_proxy=False, detach_keys=_NO_KEYS,
            relayed=True, sizes=self._sizes.fd if self._sizes else -1,
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        os.close(self._null)
