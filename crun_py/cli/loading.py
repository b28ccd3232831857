"""What is said when a module of ours, or one that we need, cannot be loaded."""

from __future__ import annotations

import os
import sys

from crun_py.errors import CrunpyError

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OF_THE_CORE = (
    f"using {_PACKAGE}/",
    "starting the container: the monitor ended",
    "starting the container's processes:",
)
"""How messages begin of which a damaged crunpy-core may be the cause."""


def may_be_damage(error: CrunpyError) -> bool:
    """Whether files of ours that are not loaded as modules may be the cause."""
    return error.message.startswith(_OF_THE_CORE)


def not_mapped(error: Exception) -> str:
    """Why a library that is whole cannot be loaded, "" where that is not the error."""
    text = str(error)
    if not isinstance(error, ImportError):
        return ""
    if "failed to map" not in text and "annot allocate" not in text:
        return ""
    place = os.path.dirname(getattr(error, "path", None) or os.path.abspath(__file__))
    if os.statvfs(place).f_flag & os.ST_NOEXEC:
        return f"{place} is on a file system that is mounted noexec"
    return "out of memory (ulimit -v)" if _memory_is_limited() else ""


def _memory_is_limited() -> bool:
    with open("/proc/self/limits", encoding="ascii") as f:
        limits = {line[:25].rstrip(): line[25:].split()[0] for line in f}
    return limits["Max address space"] != "unlimited"


def not_loaded(error: ImportError, advice: str) -> CrunpyError:
    """The error for a user.  advice: what to do where crunpy's own files must be the cause."""
    if cause := not_mapped(error):
        return CrunpyError(f"loading crunpy: {cause}")
    lacking = error.name or ""
    if lacking.partition(".")[0] in sys.stdlib_module_names:
        advice = f"this Python was built without {lacking}: take another one"
    return CrunpyError(f"loading crunpy: {error}", hint=advice)
