"""Descriptors of processes, where kernels differ."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from crun_py import _native


def test_one_that_is_there() -> None:
    os.close(_native.pidfd_open(os.getpid()))


def test_one_that_has_ended() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(ProcessLookupError):
        _native.pidfd_open(child.pid)


def test_one_whose_number_is_still_a_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Linux 6.1 has it when a child of a container's first process is a zombie in another's
    process namespace."""

    def refused(pid: int) -> int:
        raise OSError(errno.EINVAL, "invalid argument")

    monkeypatch.setattr(os, "pidfd_open", refused)
    with pytest.raises(ProcessLookupError):
        _native.pidfd_open(4711)
