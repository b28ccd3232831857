"""Images of the store: what there is, their names, their files at a path of the host."""

from __future__ import annotations

from crun_py.errors import InvalidArgument
from crun_py.oci.store.images import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.engine.context import Context
    from crun_py.model.files import FileChange, Mounted
    from crun_py.model.image import ImageSummary
    from crun_py.oci.store.image import Image
    from crun_py.oci.store.listed import ManifestList

CALLS = ("exists", "summary", "summaries", "tag", "untag", "changes", "mount", "unmount",
         "mounted", "ids")  # fmt: skip


def exists(context: Context, name: str) -> bool:
    """Whether there is an image or manifest list of this name or id.  Raises InvalidArgument."""
    return ImageStore(context.paths).lookup_any(name) is not None


def is_list(context: Context, name: str) -> bool:
    """Whether a name or id means a manifest list.  Raises NotFound."""
    from crun_py.oci.store.image import Image

    return not isinstance(ImageStore(context.paths).find_any(name), Image)


def summary(context: Context, name: str) -> ImageSummary:
    """What is known of an image or manifest list.  Raises NotFound."""
    return _summary(ImageStore(context.paths).find_any(name))


def summaries(context: Context, filters: Sequence[str] = ()) -> tuple[ImageSummary, ...]:
    """All images and manifest lists, or those that `filters` (KEY=VALUE, as `images` takes
    them) mean, newest first; images that only a list has are left out.

    Raises InvalidArgument, NotFound (an image that a filter names).
    """
    from crun_py.container.uses import ImageUsers
    from crun_py.filters import parse
    from crun_py.oci.store.listed import image_ids
    from crun_py.show import image_filters

    store = ImageStore(context.paths)
    wanted = parse([*filters], image_filters.FILTERS)
    fits = image_filters.prepare(store, wanted, ImageUsers(context.paths))
    lists = store.lists()
    held = {image_id for found in lists for image_id in image_ids(context.paths, found)}
    found: list[Image | ManifestList] = [*lists]
    found += [image for image in store.list() if image.names or image.id not in held]
    found.sort(key=lambda image: image.created, reverse=True)
    return tuple(_summary(image) for image in found if fits(image))


def _summary(image: Image | ManifestList) -> ImageSummary:
    from crun_py.model.image import ImageSummary
    from crun_py.oci.store.image import Image

    def word(key: str) -> str:
        return str(image.config.get(key) or "")

    labels = (image.config.get("config") or {}).get("Labels") or {}
    return ImageSummary(
        id=image.id,
        digest=image.digest,
        names=tuple(image.familiar_names),
        digests=tuple(image.familiar_digests),
        created_at=image.created,
        size_bytes=image.size,
        is_list=not isinstance(image, Image),
        os=word("os"),
        architecture=word("architecture"),
        variant=word("variant"),
        labels={str(key): str(value) for key, value in labels.items()},
    )


def ids(context: Context) -> tuple[str, ...]:
    """The ids of all images, hex digits, in the order in which they came."""
    return tuple(image.id for image in ImageStore(context.paths).list())


def tag(context: Context, name: str, new: str) -> None:
    """Give an image or manifest list the further name `new`, taken from another one if need be.
    Raises NotFound, InvalidArgument, CrunpyError for a digest."""
    ImageStore(context.paths).tag(name, new)


def untag(context: Context, name: str, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Take names from an image or manifest list, all that it has when none is given; the image
    stays.  The full names that are gone.  Raises NotFound."""
    store = ImageStore(context.paths)
    found = store.find_any(name)
    return tuple(store.untag(one) for one in (*names,) or (*found.names,))


def changes(context: Context, name: str, base: str = "") -> tuple[FileChange, ...]:
    """What an image changed since the image `base`, or without one in its top layer.

    Raises NotFound.
    """
    from crun_py.model.files import FileChange
    from crun_py.oci.transfer.intake import own
    from crun_py.overlay.compare import compare

    store = ImageStore(context.paths)
    context.enter()
    image = own(context.paths, store.find(name))
    below = own(context.paths, store.find(base)).layers if base else image.layers[:-1]
    found = compare(below[::-1], image.layers[::-1])
    return tuple(FileChange(kind=kind, path=path) for kind, path in found)


def mount(context: Context, name: str) -> str:
    """Show an image's files, read-only, at a path of the host, which is returned.

    Raises NotFound, CrunpyError, Unsupported for a plain user.
    """
    from crun_py.engine.files import require_mounts
    from crun_py.oci.store import shown
    from crun_py.oci.transfer.intake import own

    require_mounts("image mount")
    image = own(context.paths, ImageStore(context.paths).find(name))
    return shown.show(context.paths, image)


def unmount(context: Context, name: str, *, missing_ok: bool = False) -> str:
    """Undo `mount`; the image's id.  Raises NotFound, InvalidArgument for one that is not
    mounted unless missing_ok."""
    from crun_py.engine.files import require_mounts
    from crun_py.oci.store import shown

    require_mounts("image unmount")
    image = ImageStore(context.paths).find(name)
    if not shown.hide(context.paths, image) and not missing_ok:
        raise InvalidArgument(f"unmounting image {name}: it is not mounted")
    return image.id


def mounted(context: Context) -> tuple[Mounted, ...]:
    """The images that are shown at a path of the host."""
    from crun_py.model.files import Mounted
    from crun_py.oci.store import shown

    return tuple(
        Mounted(
            id=image.id,
            names=tuple(image.familiar_names),
            mountpoint=shown.place(context.paths, image.id),
        )
        for image in ImageStore(context.paths).list()
        if shown.is_shown(context.paths, image.id)
    )
