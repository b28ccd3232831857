"""Images that leave or enter the store: pushed, saved, loaded, imported.  (Pulling: pull.py)"""

from __future__ import annotations

from crun_py.errors import InvalidArgument, NotFound
from crun_py.model.image import LoadedImage, Pushed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from crun_py.engine.context import Context
    from crun_py.model.registry import PushChange, RegistryAccess
    from crun_py.oci.transfer.push import Change

CALLS = ("tags_of", "push", "save", "load", "import_image")


def tags_of(context: Context, repository: str) -> tuple[str, ...]:
    """The full references of all tags of `repository` in the store.  Raises NotFound."""
    from crun_py.oci.reference import parse
    from crun_py.oci.store.images import ImageStore

    if ":" in repository.rpartition("/")[2]:
        raise InvalidArgument("pushing: --all-tags takes a repository and nothing else")
    name = parse(repository).name
    every = [n for found in ImageStore(context.paths).everything() for n in found.names]
    tags = tuple(n for n in every if parse(n).name == name and parse(n).tag)
    if not tags:
        raise NotFound(f"no such image: {repository}: it has no tags here")
    return tags


def push(
    context: Context,
    name: str,
    destination: str = "",
    *,
    change: PushChange | None = None,
    reach: RegistryAccess | None = None,
    platform: str = "",
) -> Pushed:
    """Bring an image, or a manifest list with its images, to `destination`: a reference or
    TRANSPORT:PATH, by default the registry of its name.

    platform: OS/ARCH[/VARIANT], of a list its image for that alone.  Raises NotFound,
    InvalidArgument, ImageError (not for that platform), RegistryError, CrunpyError.
    """
    from crun_py.engine.registries import access
    from crun_py.oci.store.image import Image
    from crun_py.oci.store.images import ImageStore
    from crun_py.oci.transfer import push as pushing
    from crun_py.oci.transfer.lists import Lists

    destination = destination or name
    store = ImageStore(context.paths)
    image = store.find(name, platform) if platform else store.find_any(name)
    wanted = change_of(change)
    is_list = not isinstance(image, Image)
    with context.showing() as progress:
        if isinstance(image, Image):
            digest, size = pushing.push(
                context.paths,
                image,
                destination,
                access=access(reach),
                change=wanted,
                progress=progress,
            )
        else:
            lists = Lists(context.paths, access(reach))
            digest, size = lists.push(name, destination, change=wanted, progress=progress)
    return Pushed(digest=digest, size_bytes=size, is_list=is_list)


def change_of(change: PushChange | None) -> Change:
    """The change that a push makes.  Raises InvalidArgument for what is not known."""
    from crun_py.oci.transfer.push import Change

    if change is None:
        return Change()
    return Change(
        change.compression,
        change.level,
        change.format,
        anew=change.anew,
        only_plain=change.only_plain,
    )


def save(
    context: Context,
    names: Sequence[str],
    target: str | int,
    *,
    format: str = "docker-archive",
    compression: str = "",
    platform: str = "",
) -> None:
    """Write images to a file or directory, or (an archive) to a descriptor.

    format: docker-archive, oci-archive, oci-dir or docker-dir; compression: "gzip" for layers
    that have none, "none" to undo theirs, "" for as they are; platform: OS/ARCH[/VARIANT], of
    manifest lists their images for that.  Raises NotFound, InvalidArgument, ImageError (not for
    that platform), CrunpyError.
    """
    from crun_py import events
    from crun_py.oci.store import gc
    from crun_py.oci.store.images import ImageStore
    from crun_py.oci.transfer import save as saving

    if format not in saving.FORMATS:
        raise InvalidArgument(f"saving as {format!r}: not known", hint=", ".join(saving.FORMATS))
    if isinstance(target, int) and format not in saving.ARCHIVES:
        raise InvalidArgument(f"saving as {format}: a directory is written", hint="-o DIRECTORY")
    with (
        gc.pulling(context.paths),
        saving.gathered(context.paths, [*names], compression, platform) as images,
    ):
        if isinstance(target, int):
            saving.to_descriptor(images, format, target)
        else:
            saving.save(images, format, target)
    gc.collect_if_wanted(context.paths)
    for name in names:
        image = ImageStore(context.paths).find(name, platform)
        events.image(context.paths, "save", image.id, name)


def load(
    context: Context,
    source: str | int,
    *,
    platform: str | None = None,
) -> Iterator[LoadedImage]:
    """Take in the images of an archive or directory, or of the archive that is read from a
    descriptor; each is told when it is there.

    platform: OS/ARCH of which one is wanted.  Raises ImageError, NotFound, CrunpyError; what
    came before stays.
    """
    from crun_py.oci.transfer import load as loading

    context.enter()
    with context.showing() as report:
        for image, names in loading.load(context.paths, source, platform=platform, progress=report):
            yield LoadedImage(id=image.id, names=tuple(names))


def import_image(
    context: Context,
    source: str,
    name: str = "",
    *,
    message: str = "",
    changes: Sequence[str] = (),
    platform: str = "",
    stream: BinaryIO | None = None,
) -> str:
    """Make an image of an archive of files: a file, an http(s) URL, or "-" for `stream`; the
    image's id, hex digits.

    changes: Dockerfile instructions; platform: OS/ARCH, this host's unless given.  Raises
    InvalidArgument, CrunpyError.
    """
    from crun_py.container import commit

    about = commit.About(name=name, author="", message=message, changes=[*changes], form="oci")
    context.enter()
    return commit.import_(context.paths, source, platform, about, stream).id
