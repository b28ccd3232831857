"""Errors get in front what was being done with which image."""

from __future__ import annotations

import errno
import os

from crun_py.errors import CrunpyError
from crun_py.paths import Paths


def named(paths: Paths | None, doing: str, error: CrunpyError) -> CrunpyError:
    """`error` with what it happened to in front."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT) and paths:
        cause = os.strerror(error.errno).lower()
        hint = f"free some space where {paths.root} is: crunpy rmi, crunpy rm"
        return CrunpyError(f"{doing}: {cause}", hint=hint, errno=error.errno)
    if error.message.startswith(doing.partition(" ")[0] + " "):
        return error
    return type(error)(f"{doing}: {error.message}", hint=error.hint, errno=error.errno)
