"""Volumes: made, looked at, filled from archives, removed."""

from __future__ import annotations

import contextlib

from crun_py import volumes as store
from crun_py.container import volume_mounts
from crun_py.errors import Conflict, InvalidArgument, NotFound, Unsupported
from crun_py.paths import in_user_namespace
from crun_py.show import volume_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import BinaryIO

    from crun_py.engine.context import Context
    from crun_py.model.pruned import Pruned
    from crun_py.model.volume import VolumeInfo

CALLS = ("create", "exists", "names", "resolve", "inspect", "infos", "remove", "prune", "export",
         "fill", "mount", "unmount")  # fmt: skip


def create(
    context: Context,
    name: str = "",
    *,
    labels: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
    driver: str = "local",
) -> str:
    """Make a volume, an anonymous one without a name, unless it is there; its name.

    options: the driver's: type (bind, tmpfs, nfs …), device, o.  Raises InvalidArgument,
    Unsupported.
    """
    from crun_py.options import volume_options

    if driver != "local":
        raise Unsupported(f"volume driver {driver!r}: not known", hint="known: local")
    chosen = volume_options.parse([f"{key}={value}" for key, value in (options or {}).items()])
    own = name or store.new_name()
    context.enter()
    volume_options.check_user(chosen, in_userns=in_user_namespace())
    with store.Filling(context.paths, store.new_name()) as stage:
        store.ensure(
            context.paths, own, stage, None, anonymous=not name, labels=labels, options=chosen
        )
    return own


def exists(context: Context, name: str) -> bool:
    """Whether there is a volume of this name."""
    return name in store.names(context.paths)


def names(context: Context) -> tuple[str, ...]:
    """The names of all volumes, in order."""
    return tuple(store.names(context.paths))


def resolve(context: Context, text: str) -> str:
    """The name of the volume that a name or the unique beginning of one means.  Raises NotFound,
    InvalidArgument."""
    return store.resolve(context.paths, text)


def inspect(context: Context, name: str) -> VolumeInfo:
    """What is known of a volume.  Raises as `resolve`."""
    return _info(context, resolve(context, name))


def infos(context: Context, filters: Sequence[str] = ()) -> tuple[VolumeInfo, ...]:
    """All volumes, or those that `filters` (KEY=VALUE, as `volume ls` takes them) mean.

    Raises InvalidArgument.
    """
    rows = volume_list.rows(context.paths, [*filters])
    return tuple(_info(context, str(row["Name"])) for row in rows)


def _info(context: Context, name: str) -> VolumeInfo:
    from crun_py.container.uses import VolumeUsers
    from crun_py.model.volume import VolumeInfo

    about = store.about(context.paths, name)
    return VolumeInfo(
        name=name,
        mountpoint=store.data_directory(context.paths, name),
        created_at=about["created"],
        driver="local",
        labels=about["labels"],
        options=about.get("options") or {},
        anonymous=bool(about["anonymous"]),
        used_by=tuple(c.name for c in VolumeUsers(context.paths).containers(name)),
    )


def remove(
    context: Context,
    name: str,
    *,
    force: bool = False,
    timeout_s: int | None = None,
    missing_ok: bool = False,
) -> str | None:
    """Remove a volume and its content; its name, None when there is none and missing_ok.

    force: the containers that have it are removed first, with timeout_s after they were
    stopped.  Raises NotFound, Conflict when a container has it.
    """
    from crun_py.container import ending
    from crun_py.container.uses import VolumeUsers

    context.enter()
    try:
        found = resolve(context, name)
    except NotFound:
        if missing_ok:
            return None
        raise
    users = VolumeUsers(context.paths)
    for container in users.containers(found):
        if not force:
            raise Conflict(
                f"removing volume {found}: container {container.name} has it",
                hint=f"crunpy rm {container.name}, or --force",
            )
        if timeout_s is not None:
            ending.stop(container, timeout_s)
        ending.remove(container, force=True)
    with contextlib.ExitStack() as stack:
        if force:  # an anonymous one may have gone with its container
            stack.enter_context(contextlib.suppress(NotFound))
        store.remove(context.paths, found, users)
    return found


def check_filters(filters: Sequence[str]) -> None:
    """Raises InvalidArgument for filters that no prune takes."""
    from crun_py.container import prune as pruning

    pruning.parse_of_volumes(filters)


def prune(
    context: Context,
    filters: Sequence[str] = (),
    *,
    everything: bool = False,
    dry_run: bool = False,
    gone: Collection[str] = (),
) -> Pruned:
    """Remove the anonymous volumes, or with `everything` named ones too, that no container has.

    filters: until=, label=, label!=, all=true.  dry_run: nothing is removed, the answer is what
    would be.  gone: ids of containers that would be gone before.  Raises InvalidArgument.
    """
    from crun_py.container import prune as pruning

    context.enter()
    return pruning.volumes(
        context.paths, filters, everything=everything, dry_run=dry_run, gone=gone
    )


def export(context: Context, name: str, target: str | BinaryIO) -> None:
    """Write what a volume holds as a tar archive to the file or stream `target`.

    Raises NotFound, CrunpyError.
    """
    from crun_py import outfile
    from crun_py.container import volume_archive

    found = resolve(context, name)
    with contextlib.ExitStack() as stack:
        sink = target
        if isinstance(sink, str):
            fd = stack.enter_context(outfile.Replaced(sink))
            sink = stack.enter_context(open(fd, "wb", closefd=False))
        context.enter()
        stack.enter_context(volume_mounts.shown(context.paths, found))
        volume_archive.export(context.paths, found, sink.write)
        sink.flush()


def fill(context: Context, name: str, source: str | BinaryIO) -> None:
    """Put the files of a tar archive, a file or a stream, into a volume; what it holds stays.

    Raises NotFound, InvalidArgument, CrunpyError.
    """
    from crun_py.container import volume_archive

    found = resolve(context, name)
    with contextlib.ExitStack() as stack:
        label, archive = "-", source
        if isinstance(archive, str):
            label = archive
            try:
                archive = stack.enter_context(open(archive, "rb"))
            except OSError as e:
                raise InvalidArgument.from_os(f"importing {source}", e) from e
        context.enter()
        stack.enter_context(volume_mounts.shown(context.paths, found))
        volume_archive.import_(context.paths, found, archive.read, f"importing {label}")


def mount(context: Context, name: str) -> str:
    """The directory where a volume's files are, all the time.  Raises NotFound, Unsupported for
    a plain user."""
    from crun_py.engine.files import require_mounts

    require_mounts("volume mount")
    found = resolve(context, name)
    volume_mounts.keep(context.paths, found)
    return store.data_directory(context.paths, found)


def unmount(context: Context, name: str) -> str:
    """Undo `mount`; the name of the volume, whose directory stays where it is.  Raises NotFound."""
    found = resolve(context, name)
    volume_mounts.release(context.paths, found)
    return found
