"""Open files that go from one process to another."""

from __future__ import annotations

import os


class Descriptor:
    """An open file of one process, to be sent to another.

    The receiver gets a descriptor of its own, close-on-exec, which is closed with this object
    unless `detach` has taken it; a sender keeps what it sent.
    """

    __slots__ = ("_owned", "fd")

    def __init__(self, fd: int, *, owned: bool = False) -> None:
        """owned: close it with this object."""
        self.fd = fd
        self._owned = owned

    def detach(self) -> int:
        """The number; whoever takes it closes it."""
        self._owned = False
        return self.fd

    def close(self) -> None:
        """Close it, if it is this object's own."""
        if self._owned:
            self._owned = False
            os.close(self.fd)

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Descriptor({self.fd})"
