"""A container's writable layer: the directories that overlay needs beside the image's layers."""

from __future__ import annotations

import os
import stat

from crun_py.errors import CrunpyError
from crun_py.paths import in_user_namespace


class RootFs:
    """What the overlay step is told.

    lowers:  layer directories, topmost first.
    devices: device nodes in it may be opened (only for --privileged).
    """

    __slots__ = ("devices", "lowers", "options", "upper", "work")

    def __init__(
        self, lowers: list[str], upper: str, work: str, options: str, *, devices: bool = False
    ) -> None:
        self.lowers, self.upper, self.work, self.options = lowers, upper, work, options
        self.devices = devices


def merged(directory: str) -> str:
    """Where `crunpy mount` shows the root of the container in `directory`."""
    return directory + "/merged"


def prepare(directory: str, layers: list[str]) -> None:
    """Make the writable layer in `directory`; its root has the image root's mode and owner.

    layers: the image's, base first.
    """
    for name in ("upper", "work"):
        path = f"{directory}/{name}"
        os.mkdir(path, 0o700)
    like_below(f"{directory}/upper", layers)


def like_below(upper: str, layers: list[str]) -> None:
    """Give the directory `upper` the mode and owner of the topmost of `layers` (base first)."""
    mode, uid, gid = 0o755, 0, 0
    if layers:
        top = os.stat(layers[-1])
        mode, uid, gid = stat.S_IMODE(top.st_mode), top.st_uid, top.st_gid
    os.chmod(upper, mode)
    if uid != os.geteuid() or gid != os.getegid():
        os.chown(upper, uid, gid)


def describe(
    directory: str, layers: list[str], *, volatile: bool, devices: bool, context: str = ""
) -> RootFs:
    """The overlay over `layers` (base first) with the writable layer in `directory`.

    volatile: no sync on unmount, for containers that are removed at their end.
    context: a mount option that says which SELinux label its files have (state.mount_context).
    """
    upper, work = f"{directory}/upper", f"{directory}/work"
    _forget_kill(work)
    return over(layers, upper, work, volatile=volatile, devices=devices, context=context)


def _forget_kill(work: str) -> None:
    """A volatile overlay whose processes were killed together with those who would have removed
    the container cannot be mounted again before its mark is gone (overlayfs.rst, "Volatile mount").
    What the mark warns of is a crash of the machine, which ends such containers for good."""
    try:
        os.unlink(work + "/work/incompat/volatile/dirty")
        os.rmdir(work + "/work/incompat/volatile")
    except FileNotFoundError:
        return
    except OSError as e:
        raise CrunpyError.from_os(f"preparing {work}", e) from e


def over(
    layers: list[str],
    upper: str,
    work: str,
    *,
    volatile: bool,
    devices: bool = False,
    context: str = "",
) -> RootFs:
    """The overlay of the writable layer `upper` over `layers` (base first); as `describe`."""
    lowers = layers[::-1]
    for path in lowers:
        if not os.path.isdir(path):
            raise CrunpyError(
                f"preparing the root file system: layer {path}: missing",
                hint="remove the image with rmi -f and pull it again",
            )
    options = [context] if context else []
    options += ["volatile"] if volatile else []
    # what the writable layer holds must be the whole of a change, whatever the kernel's
    # defaults are: diff and commit read it
    options.append("userxattr" if in_user_namespace() else "redirect_dir=off,metacopy=off")
    return RootFs(lowers, upper, work, ",".join(options), devices=devices)
