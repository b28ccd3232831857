"""Writing a large blob, which has its name only once it has been verified."""

from __future__ import annotations

import os

from crun_py._native import lib
from crun_py.errors import CrunpyError
from crun_py.oci.store import unsettled
from crun_py.oci.store.blobs import blob_path
from crun_py.paths import Paths

_WRITEBACK_BYTES = 8 << 20


class Part:
    """A file being written at `path`, below .staging.  The disk begins while data still comes.

    doing: what errors say.  The caller holds its lock.
    """

    def __init__(self, paths: Paths, path: str, doing: str) -> None:
        self.path = path
        self._paths = paths
        self._doing = doing
        self.size = self._started = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(self.path, flags, 0o644)
        except OSError as e:
            raise CrunpyError.from_os(self._doing, e) from e

    def write(self, data: bytes) -> None:
        """Append `data`; raises CrunpyError (a full disk has errno ENOSPC)."""
        view = memoryview(data)
        self.size += len(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
            if self.size - self._started >= _WRITEBACK_BYTES:
                lib.crunpy_start_writeback(self._fd, self._started, self.size - self._started)
                self._started = self.size
        except OSError as e:
            raise CrunpyError.from_os(self._doing, e) from e

    def rename(self, digest: str) -> None:
        """Make it the blob `digest`.  The caller makes it durable (blobs.sync)."""
        unsettled.note(self._paths, "blob", digest)
        try:
            os.rename(self.path, blob_path(self._paths, digest))
        except OSError as e:
            raise CrunpyError.from_os(self._doing, e) from e
        self.close()

    def close(self) -> None:
        """Delete what got no name."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        if os.path.lexists(self.path):
            os.unlink(self.path)


class Writer(Part):
    """A blob of known digest being written.  The caller checks digest and size."""

    def __init__(self, paths: Paths, digest: str) -> None:
        self._digest = digest
        path = f"{paths.images}/.staging/{digest.rpartition(':')[2]}.part"
        super().__init__(paths, path, f"writing blob {digest}")

    def commit(self) -> None:
        """Give the verified blob its name.  The caller makes it durable (blobs.sync)."""
        self.rename(self._digest)
