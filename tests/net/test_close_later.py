"""The end of a socket that nobody waits for (_native/later.c)."""

from __future__ import annotations

import os
import signal
import socket
import threading

import pytest

from crun_py._native import lib


def test_it_is_closed_and_nobody_is_left() -> None:
    """In a process that has no other children."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _closed()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def _closed() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGCHLD, lambda number, frame: heard.append(number))
    try:
        for _ in range(50):
            ours, theirs = socket.socketpair()
            reading, writing = os.pipe()
            fd = theirs.detach()
            assert lib.crunpy_close_later(fd) == 0
            with pytest.raises(OSError):
                os.fstat(fd)
            os.close(writing)  # nobody else has it
            assert os.read(reading, 1) == b""
            os.close(reading)
            ours.settimeout(5)
            assert ours.recv(1) == b""
            ours.close()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert heard == []
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_from_threads() -> None:
    pairs = [socket.socketpair() for _ in range(40)]
    threads = [threading.Thread(target=lib.crunpy_close_later, args=(b.detach(),))
               for _, b in pairs]  # fmt: skip
    for thread in threads:
        thread.start()
    for ours, _ in pairs:
        ours.settimeout(5)
        assert ours.recv(1) == b""
        ours.close()
    for thread in threads:
        thread.join()


def test_what_is_no_descriptor() -> None:
    assert lib.crunpy_close_later(9999) < 0
