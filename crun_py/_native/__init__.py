"""The C parts: the shim that Python calls (`_shim`) and the core helper (`crunpy-core`).

`lib` and `ffi` are cffi's; `check` turns a negative return value into OSError; `pidfd_open` is
os's without a kernel's quirk.
"""

from __future__ import annotations

import errno
import os

from crun_py._native._shim import ffi, lib

__all__ = ["CORE", "check", "ffi", "lib", "pidfd_open"]

CORE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "crunpy-core")
"""Path of the core helper."""


def check(result: int, what: str = "") -> int:
    """`result` unless it is a negated errno, which is raised as OSError (filename: `what`)."""
    if result < 0:
        raise OSError(-result, os.strerror(-result), what or None)
    return result


def pidfd_open(pid: int) -> int:
    """A descriptor of the process `pid` (pidfd_open(2)).  Raises ProcessLookupError when there is
    none: also where the number is still that of its session or group, which an unreaped child
    keeps, and kernels such as Linux 6.1 say EINVAL."""
    try:
        return os.pidfd_open(pid)
    except OSError as e:
        if e.errno == errno.EINVAL:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from e
        raise
