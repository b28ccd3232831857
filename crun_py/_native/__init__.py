"""The C parts: the shim that Python calls (`_shim`) and the core helper (`crunpy-core`).

`lib` and `ffi` are cffi's; `check` turns a negative return value into OSError.
"""

from __future__ import annotations

import os

from crun_py._native._shim import ffi, lib

__all__ = ["CORE", "check", "ffi", "lib"]

CORE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "crunpy-core")
"""Path of the core helper."""


def check(result: int, what: str = "") -> int:
    """`result` unless it is a negated errno, which is raised as OSError (filename: `what`)."""
    if result < 0:
        raise OSError(-result, os.strerror(-result), what or None)
    return result
