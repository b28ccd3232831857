"""Quadlet: services of files that describe containers, for systemd's generators."""

from __future__ import annotations

import os

from crun_py import outfile
from crun_py.errors import CrunpyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.engine.context import Context
    from crun_py.quadlet.generate import Generated

CALLS = ()

_PLACES = {
    "system-generators/crunpy-system-generator": "",
    "user-generators/crunpy-user-generator": " --user",
}
"""Files below systemd's directory of settings (systemd.generator(7)), and what they say more."""


def generate(
    context: Context,
    directories: Sequence[str],
    program: Sequence[str],
    *,
    user: bool,
    into: str | None = None,
) -> Generated:
    """The services of the files in `directories`, written below `into` if that is given.

    program: the words of a command line that is crunpy.  user: for a user's service manager.
    Raises CrunpyError when they cannot be written; what is wrong with a file is in the answer.
    """
    from crun_py.quadlet import generate as files

    found = files.generate(directories, program, user=user)
    if into is not None:
        files.write(found.services, into)
    return found


def install(context: Context, directory: str, program: Sequence[str]) -> list[str]:
    """Write systemd's generators, for the machine and for users, below `directory`
    (/etc/systemd); their paths.  program: as of `generate`.  Raises CrunpyError."""
    found = []
    for name, more in _PLACES.items():
        path = f"{directory}/{name}"
        line = " ".join("'" + w.replace("'", "'\\''") + "'" for w in program)
        text = f'#!/bin/sh\nexec {line} system generator{more} "$@"\n'
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        except OSError as e:
            raise CrunpyError.from_os(f"creating {os.path.dirname(path)}", e) from e
        outfile.write(path, text.encode(), 0o755)
        found.append(path)
    return found


def uninstall(context: Context, directory: str) -> list[str]:
    """Remove what `install` wrote; the paths of what was there.  Raises CrunpyError."""
    found = []
    for name in _PLACES:
        path = f"{directory}/{name}"
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError as e:
            raise CrunpyError.from_os(f"removing {path}", e) from e
        found.append(path)
    return found
