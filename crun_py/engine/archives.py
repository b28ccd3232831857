"""Archives that come from a descriptor, or go to one: what a program passes on.

The generators say 0 when they have the descriptor, and work then.
"""

from __future__ import annotations

import os
import stat

from crun_py.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.engine.context import Context
    from crun_py.model.descriptor import Descriptor
    from crun_py.model.image import LoadedImage

CALLS = ("look", "copy_out", "copy_in", "export", "save", "load", "import_image")

_GO_MODES = (
    (stat.S_ISDIR, 1 << 31), (stat.S_ISLNK, 1 << 27), (stat.S_ISFIFO, 1 << 25),
    (stat.S_ISSOCK, 1 << 24), (stat.S_ISBLK, 1 << 26), (stat.S_ISCHR, 1 << 26 | 1 << 21),
)  # fmt: skip
"""The types of files as bits of Go's os.FileMode."""
_GO_BITS = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))


def look(context: Context, name: str, path: str) -> dict[str, object]:
    """What is at `path` of a container, as docker's ContainerPathStat.  Raises NotFound."""
    from crun_py import state
    from crun_py.clock import rfc3339
    from crun_py.container import inside

    container = state.find(context.paths, name)
    inside.become_root(container)
    with inside.root_of(container) as root:
        try:
            fd = inside.open_at(root, path, os.O_PATH | os.O_NOFOLLOW)
        except OSError as e:
            text = f"Could not find the file {path} in container {container.id}"
            raise NotFound(text) from e
        try:
            about = os.fstat(fd)
            link = os.readlink("", dir_fd=fd) if stat.S_ISLNK(about.st_mode) else ""
        finally:
            os.close(fd)
    mode = about.st_mode & 0o777
    mode |= sum(bit for is_one, bit in _GO_MODES if is_one(about.st_mode))
    mode |= sum(bit for flag, bit in _GO_BITS if about.st_mode & flag)
    return {
        "name": os.path.basename(path.rstrip("/")) or "/",
        "size": about.st_size,
        "mode": mode,
        "mtime": rfc3339(about.st_mtime_ns),
        "linkTarget": link,
    }


def copy_out(context: Context, name: str, path: str, target: Descriptor) -> Iterator[int]:
    """Write a file or directory of a container as a tar archive.  Raises as files.copy."""
    from crun_py.engine import files

    yield 0
    with os.fdopen(target.detach(), "wb") as stream:
        files.copy(context, f"{name}:{path}", "-", stream=stream)


def copy_in(
    context: Context,
    name: str,
    path: str,
    source: Descriptor,
    *,
    overwrite: bool = True,
    archive: bool = False,
) -> Iterator[int]:
    """Unpack a tar archive below a directory of a container.  Raises as files.copy."""
    from crun_py.engine import files

    yield 0
    with os.fdopen(source.detach(), "rb") as stream:
        files.copy(
            context, "-", f"{name}:{path}", stream=stream, overwrite=overwrite, archive=archive
        )


def export(context: Context, name: str, target: Descriptor) -> Iterator[int]:
    """As files.export."""
    from crun_py.engine import files

    yield 0
    with os.fdopen(target.detach(), "wb") as stream:
        files.export(context, name, stream)


def save(
    context: Context, names: tuple[str, ...], platform: str, target: Descriptor
) -> Iterator[int]:
    """Write images as a docker-archive.  Raises as exchange.save."""
    from crun_py.engine import exchange

    yield 0
    exchange.save(context, names, target.fd, platform=platform)


def import_image(
    context: Context,
    name: str,
    message: str,
    changes: tuple[str, ...],
    platform: str,
    source: Descriptor,
) -> Iterator[int | str]:
    """As exchange.import_image, from a descriptor; the image's id at last."""
    from crun_py.engine import exchange

    yield 0
    with os.fdopen(source.detach(), "rb") as stream:
        yield exchange.import_image(
            context, "-", name, message=message, changes=changes, platform=platform, stream=stream
        )


def load(context: Context, source: Descriptor) -> Iterator[LoadedImage | int]:
    """Take in the images of an archive.  Raises as exchange.load."""
    from crun_py.engine import exchange

    yield 0
    yield from exchange.load(context, source.fd)
