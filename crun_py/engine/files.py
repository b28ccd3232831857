"""The files of a container: copied, exported, shown at a path of the host, made an image of."""

from __future__ import annotations

import contextlib

from crun_py import state
from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from crun_py.container.transfer import Place
    from crun_py.engine.context import Context
    from crun_py.model.files import Copied, Mounted

CALLS = ("copy", "export", "mount", "unmount", "mounted", "commit")


def copy(
    context: Context,
    source: str,
    target: str,
    *,
    archive: bool = False,
    follow: bool = False,
    overwrite: bool = False,
    pause: bool = False,
    stream: BinaryIO | None = None,
) -> Copied:
    """Copy files between a container and the host, or between containers.

    source, target: `CONTAINER:PATH`, a path of the host, or "-" for `stream`, which is read or
    written as a tar archive.  archive: files keep uid and gid; follow: a link named as the
    source is followed; overwrite: directories and other files may replace each other; pause:
    the containers' processes stand still meanwhile, where the host can do that.
    Raises NotFound, InvalidArgument, Conflict, CrunpyError.
    """
    from crun_py.container import control, transfer
    from crun_py.model.files import Copied

    places = _place(context, source), _place(context, target)
    how = transfer.How(archive=archive, follow=follow, overwrite=overwrite)
    with contextlib.ExitStack() as stack:
        for end in places if pause else ():
            if end.container:
                stack.enter_context(control.frozen(end.container, None))
        size = transfer.copy(*places, how, stream)
    return Copied(size_bytes=size, target=str(places[1]), to_stream=places[1].is_stream)


def _place(context: Context, text: str) -> Place:
    """`CONTAINER:PATH`, a path of the host or `-`, as docker tells them apart."""
    from crun_py.container.transfer import Place

    name, colon, path = text.partition(":")
    if text.startswith(("/", ".")) or not colon or "/" in name:
        return Place(None, text)
    if not name:
        raise InvalidArgument(f"copying {text}: no container named before the colon")
    return Place(state.find(context.paths, name), path)


def export(context: Context, name: str, target: str | BinaryIO) -> None:
    """Write a container's files, without its volumes, as a tar archive to the file or stream
    `target`.  Raises NotFound, CrunpyError."""
    from crun_py import outfile
    from crun_py.container import commit, inside

    container = state.find(context.paths, name)
    with contextlib.ExitStack() as stack:
        sink = target
        if isinstance(sink, str):
            fd = stack.enter_context(outfile.Replaced(sink))
            sink = stack.enter_context(open(fd, "wb", closefd=False))
        inside.become_root(container)
        commit.export(container, sink)


def commit(
    context: Context,
    name: str,
    *,
    image: str = "",
    author: str = "",
    message: str = "",
    changes: Sequence[str] = (),
    format: str = "oci",
    pause: bool | None = None,
    squash: bool = False,
    include_volumes: bool = False,
) -> str:
    """Make an image of a container as it is now; the image's id, hex digits.

    image: its name; changes: Dockerfile instructions; format: "oci" or "docker"; pause: the
    processes stand still meanwhile (None: where the host can do that); squash: one layer with
    everything; include_volumes: places of the container's volumes are the image's too.
    Raises NotFound, InvalidArgument, Unsupported, CrunpyError.
    """
    from crun_py import jsonfile
    from crun_py.container import commit as making
    from crun_py.container import inside

    about = making.About(
        name=image, author=author, message=message, changes=[*changes], form=format
    )
    container = state.find(context.paths, name)
    if include_volumes:
        about.changes += [
            f"VOLUME {jsonfile.dumps([m['destination']])}"
            for m in container.record["mounts"]
            if m["type"] == "volume"
        ]
    inside.become_root(container)
    return making.commit(container, about, pause=pause, squash=squash).id


def require_mounts(verb: str) -> None:
    """Raises Unsupported for a plain user, whose mounts nobody else would see; `verb` is what
    the hint tells to do in a namespace of the user's."""
    from crun_py.container import mounts

    mounts.require_namespace(verb)


def mount(context: Context, name: str) -> str:
    """Show the root of a container at a path of the host, which is returned.

    Raises NotFound, Conflict, Unsupported for a plain user.
    """
    from crun_py.container import mounts

    require_mounts("mount")
    return mounts.show(state.find(context.paths, name))


def unmount(context: Context, name: str, *, missing_ok: bool = False) -> None:
    """Undo `mount`.  Raises InvalidArgument for what is not mounted unless missing_ok."""
    from crun_py.container import mounts

    require_mounts("unmount")
    container = state.find(context.paths, name)
    if not mounts.hide(container) and not missing_ok:
        raise InvalidArgument(f"unmounting container {container.name}: it is not mounted")


def mounted(context: Context) -> tuple[Mounted, ...]:
    """The containers that are shown at a path of the host, newest first."""
    from crun_py.container import inside
    from crun_py.model.files import Mounted
    from crun_py.overlay.mount import is_mounted

    return tuple(
        Mounted(id=c.id, names=(c.name,), mountpoint=inside.merged(c))
        for c in state.every(context.paths)
        if is_mounted(inside.merged(c))
    )
