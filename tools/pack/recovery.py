"""In the one file: what a start does that cannot go on, with this Python or with what is unpacked.
Old Pythons must understand it."""

import contextlib
import os
import sys


def another(kinds, kind, fail):
    """Go over to another Python: there is nothing compiled for this one.  Each is older than the
    one before, so this ends."""
    known = sorted(((3, int(name.split("-")[1][1:])) for name in kinds), reverse=True)
    now = sys.version_info[:2]
    for version in known:
        if now in known and version >= now:
            continue
        for folder in os.environ.get("PATH", os.defpath).split(":"):
            python = os.path.join(folder, f"python3.{version[1]}")
            if folder.startswith("/") and os.access(python, os.X_OK):
                with open("/proc/self/cmdline", "rb") as f:
                    words = f.read().split(b"\0")[1:-1]
                os.execv(python, [python.encode(), *words])
    systems = " and ".join(sorted({name.split("-", 2)[2] for name in kinds}))
    fail(
        f"this file is for Python 3.{known[-1][1]} to 3.{known[0][1]} of {systems}, not for {kind}"
    )


def broken(error, begun, again, directory, fail):
    """What is unpacked in `directory` may be damaged: the next start verifies it, which is now
    where the command has not begun its work.

    again: this is such a start (-X again), after which there is no other.  Comes back when the
    caller is to tell of the error.
    """
    with contextlib.suppress(OSError):  # where that cannot be written, `again` has it verified
        os.unlink(directory + "/.verified")
    if begun:
        return
    if not again:
        os.execv(sys.executable, [sys.executable, "-X", "again", *sys.orig_argv[1:]])
    fail(f"{_told(error)} (it was verified just now: remove {directory})")


def failed(error, fail):
    """The command failed, and telling of that did, too."""
    fail(f"{_told(error)} (start it again: then it is verified)")


def _told(error):
    return "loading crunpy: " + " ".join(f"{type(error).__name__}: {error}".split())
