"""The manifest that a verb is given."""

from __future__ import annotations

import sys

from crun_py.errors import InvalidArgument

_MOST = 1 << 24
"""So much is read: what is too large is told by who takes it apart."""


def read(name: str) -> bytes:
    """The bytes of a file, or (-) of standard input.  Raises InvalidArgument."""
    if name == "-":
        return sys.stdin.buffer.read(_MOST)
    if "://" in name:
        raise InvalidArgument(
            f"reading {name}: it is no file", hint="curl URL | crunpy kube play -"
        )
    try:
        with open(name, "rb") as f:
            return f.read(_MOST)
    except (OSError, ValueError) as e:
        cause = e.strerror if isinstance(e, OSError) else str(e)
        raise InvalidArgument(f"reading {name}: {cause}") from e
