"""Errors that come of what the host lacks say that `crunpy doctor` tells more; in a container of
another engine they say what that one must be told to allow."""

from __future__ import annotations

import errno

from crun_py import caller
from crun_py.errors import CrunpyError
from crun_py.paths import default_root

_ABOUT_THE_HOST = (
    "entering a user namespace:",
    "making a network without root:",
    "making a user's network:",
    "setting up nftables:",
    "mounting the layers on",
)
"""How the messages begin of which the doctor knows more."""
_ABOUT_AN_OUTER = (
    *_ABOUT_THE_HOST,
    "starting the container:",
    "starting the container's processes:",
    "making a network namespace:",
    "carrying out ",
    "working on the container's files: unshare:",
    "working on the container's files: mount",
    "to /proc/sys/",
)
"""What is in messages that may come of an outer container; after a line of a Dockerfile, too."""
_NO_PROGRAM = "making a network without root: no "
"""Which no outer engine's option mends."""
_TUN = "opening /dev/net/tun:"
_SYSFS = "(mount sysfs on /sys)"
_FORBIDDEN = (0, errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS)


def hint(error: CrunpyError, user: int) -> str:
    """What a user is told to do about an error.  user: the id of whoever gave the command."""
    if wanted := _outer(error, user):
        return wanted
    overlay = "starting the container: step" in error.message and "(overlay" in error.message
    if not overlay and not error.message.startswith(_ABOUT_THE_HOST):
        return error.all_hints()
    return error.all_hints("`crunpy doctor` tells more")


def _outer(error: CrunpyError, user: int) -> str:
    """What would have to be said to an outer engine, "" where that is not it."""
    tun = error.message.startswith(_TUN) and error.errno in (errno.ENOENT, errno.EPERM)
    about = any(m in error.message for m in _ABOUT_AN_OUTER)
    program = error.message.startswith(_NO_PROGRAM) and not error.errno
    if program or not (tun or (about and error.errno in _FORBIDDEN)):
        return ""
    from crun_py.doctor import nested, outer
    from crun_py.doctor.host import Host

    host = Host(uid=user, store=caller.variable("CRUNPY_ROOT") or default_root())
    engine = host.outer
    if not engine:
        return "" if tun else nested.taken_away(host)
    if tun:
        wanted = outer.advice(engine, ["--device /dev/net/tun"])
        return f"{wanted}; or use --network none or host"
    if lacking := nested.flags(host):
        return f"{outer.advice(engine, lacking)}; see `crunpy doctor`"
    if _SYSFS in error.message:
        wanted = outer.advice(engine, ["--privileged"])
        return f"{wanted}, as what is on /sys here is read-only; or use --network host"
    return ""
