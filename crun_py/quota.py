"""Project quotas: how much a directory and all below it may hold (xfs, ext4 with `prjquota`).

quotactl(2), mount(8): prjquota; ext4(5): project.
"""

from __future__ import annotations

import errno
import os

from crun_py._native import check, lib
from crun_py.errors import CrunpyError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_QUOTAS = (errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS, errno.ESRCH, errno.EINVAL, errno.ENOENT)
_LEAST = 1 << 30
"""Below lie numbers that administrators choose (projid(5))."""


def limit(directories: Iterable[str], bytes_: int) -> None:
    """Let new, empty directories together hold so much, as a project of their own.

    Raises Unsupported where the file system, or a plain user, cannot.
    """
    project = _LEAST + int.from_bytes(os.urandom(4), "little") % _LEAST
    for directory in directories:
        _limit(directory, project, bytes_)


def _limit(directory: str, project: int, bytes_: int) -> None:
    doing = f"a size of {bytes_} bytes"
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        check(lib.crunpy_limit_tree(fd, project, bytes_), directory)
    except OSError as e:
        if e.errno == errno.EPERM:
            raise Unsupported(f"{doing}: quotas are root's to set") from e
        if e.errno in _NO_QUOTAS:
            raise Unsupported(
                f"{doing}: its file system has no project quotas",
                hint="xfs, or ext4 made with -O project,quota, mounted with prjquota",
            ) from e
        raise CrunpyError.from_os(doing, e) from e
    finally:
        os.close(fd)
