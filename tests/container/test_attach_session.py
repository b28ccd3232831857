"""A client's session with what serves a container's streams, played by the test."""

from __future__ import annotations

import os
import socket
from struct import pack

from crun_py.container import attach


def ended(*words: bytes) -> tuple[int, bytes]:
    """(what the session came to, standard output) when the other side says `words` and is gone
    without having read what the session said."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    got = b""

    def keep(stream: int, data: memoryview) -> None:
        nonlocal got
        got += bytes(data)

    null = os.open(os.devnull, os.O_RDWR)
    session = attach.Session(
        ours.detach(), attach.STDOUT | attach.STDIN, terminal=False, sink=keep,
        files=(null, null, null),
    )  # fmt: skip
    for word in words:
        theirs.send(word)
    theirs.close()  # with the hello unread: our next recv(2) fails with ECONNRESET first, unix(7)
    try:
        return session.serve(timeout_s=10), got
    finally:
        session.close()
        os.close(null)


def test_an_end_that_is_told_before_everything_was_read() -> None:
    """As of `exec -i` without input: the end of the input may be on its way still."""
    assert ended(b"o" + b"out", b"x" + pack("<iB", 7, 0)) == (7, b"out")


def test_an_end_that_nobody_told() -> None:
    assert ended(b"o" + b"out") == (attach.LOST, b"out")
    assert ended() == (attach.LOST, b"")
