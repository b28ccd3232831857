"""Removing images: by name, or all that nothing needs.

Whether something uses an image is asked under the store's lock, and while no container can
begin to (staging.unclaimed): what is deleted is used by nobody.
"""

from __future__ import annotations

import contextlib

from crun_py import staging
from crun_py.container.uses import ImageUsers
from crun_py.errors import Conflict, NotFound, Unsupported
from crun_py.model.image import PrunedImages, RemovedPart
from crun_py.oci.store.images import ImageStore
from crun_py.oci.store.listed import ManifestList, image_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crun_py.engine.context import Context
    from crun_py.state import Container


class Pretence:
    """Removals that are only said, one after the other: what is gone for the first is gone for the
    next.  gone: ids of containers that would be removed."""

    def __init__(self, context: Context, gone: Iterable[str] = ()) -> None:
        from crun_py.oci.store.pretended import Pretended

        self.store = Pretended(context.paths)
        self.gone = {*gone}


CALLS = ("everything", "remove", "remove_unused", "prune")


def everything(context: Context) -> tuple[str, ...]:
    """The ids of all manifest lists and images, hex digits; lists first: what only they have
    goes with them."""
    return tuple(found.id for found in ImageStore(context.paths).everything())


def remove(
    context: Context,
    name: str,
    *,
    force: bool = False,
    removed: Callable[[str], None] = lambda name: None,
    platforms: Sequence[str] = (),
    dry_run: bool = False,
    pretence: Pretence | None = None,
) -> tuple[RemovedPart, ...]:
    """Take a name from an image or manifest list, and with its last name (or by an id) remove
    it; what is gone, in order.

    force: also one with several names, and the stopped containers that use it; `removed` is
    given the name of each of these.  platforms: OS/ARCH[/VARIANT], of a list its images for these
    alone.  dry_run: nothing is removed, the answer is what would be; pretence: so, after what it
    was told before.  Raises NotFound, ImageError (none for a platform), Conflict when something
    uses it, Unsupported for a pretence of platforms.
    """
    if dry_run and not pretence:
        pretence = Pretence(context)

    def stopped(container: Container) -> None:
        from crun_py.container import ending

        if pretence:
            ending.check_removable(container, gone=pretence.gone)
            pretence.gone.add(container.id)
        else:
            ending.remove(container)
        removed(container.name)

    if pretence and platforms:
        raise Unsupported("removing: what would be gone of some platforms is not known beforehand")
    context.enter()
    gone = pretence.gone if pretence else ()
    users = ImageUsers(context.paths, stopped if force else None, gone)
    store = pretence.store if pretence else ImageStore(context.paths)
    if not platforms:
        return _parts(_remove(store, name, force, users))
    lines: list[str] = []
    for platform in platforms:
        lines += _remove_for(store, name, platform, force, users)
    return _parts(lines)


def remove_unused(
    context: Context, image_id: str, *, pretence: Pretence | None = None
) -> tuple[RemovedPart, ...]:
    """As `remove` of an image id: with all its names if nothing uses it, which is then not an
    error for several names."""
    context.enter()
    users = ImageUsers(context.paths, gone=pretence.gone if pretence else ())
    store = pretence.store if pretence else ImageStore(context.paths)
    return _parts(_remove(store, "sha256:" + image_id, not users(image_id), users))


def prune(
    context: Context,
    filters: Sequence[str] = (),
    *,
    everything: bool = False,
    dry_run: bool = False,
    pretence: Pretence | None = None,
) -> PrunedImages:
    """Remove the dangling images, or with `everything` all that no container uses, and what
    killed commands left; what a manifest list has stays, and so does a list that has what a
    container uses.

    filters: dangling=, until=, label=, label!=.  dry_run, pretence: as for `remove`.  Raises
    InvalidArgument.
    """
    from crun_py.oci.store import usage

    if dry_run and not pretence:
        pretence = Pretence(context)
    context.enter()
    if pretence:
        users = ImageUsers(context.paths, gone=pretence.gone)
        parts = _prune(pretence.store, filters, everything, users)
        return PrunedImages(parts=_parts(parts), freed_bytes=pretence.store.freed_bytes)
    before = usage.bytes_on_disk(context.paths)
    parts = _prune(ImageStore(context.paths), filters, everything, ImageUsers(context.paths))
    freed = max(0, before - usage.bytes_on_disk(context.paths))
    return PrunedImages(parts=_parts(parts), freed_bytes=freed)


def _parts(lines: Iterable[str]) -> tuple[RemovedPart, ...]:
    """docker's lines `Untagged: NAME` and `Deleted: ID` as records."""
    pairs = (line.partition(": ") for line in lines)
    return tuple(RemovedPart(action=action.lower(), what=what) for action, _, what in pairs)


def _remove(store: ImageStore, text: str, force: bool, users: ImageUsers) -> list[str]:
    found, name = store.match(text)
    if not isinstance(found, ManifestList):
        return store.remove(text, force=force, in_use=users, clear=users.clear)
    if not name and len(found.names) > 1 and not force:
        raise Conflict(
            f"removing image {text}: it has several names: {', '.join(found.familiar_names)}",
            hint="remove the names one by one, or all of them with -f",
        )
    return _remove_list(store, found, name, users)


def _remove_list(store: ImageStore, found: ManifestList, name: str, users: ImageUsers) -> list[str]:
    """Remove a list, by `name` or altogether, and its images that nothing else names or uses."""
    held = image_ids(store.paths, found)
    return store.remove_list(found, name) + _remove_nameless(store, held, users)


def _remove_for(
    store: ImageStore, text: str, platform: str, force: bool, users: ImageUsers
) -> list[str]:
    """Remove a list's image for `platform`, with the last one the list; or an image that is for
    it."""
    from crun_py.oci.store import listed
    from crun_py.oci.transfer.lists import Lists

    found, _ = store.match(text)
    image = store.find(text, platform)
    if not isinstance(found, ManifestList):
        return _remove(store, text, force, users)
    entry = listed.chosen(store.paths, found, platform)["digest"]
    users.clear(image.id)
    with staging.unclaimed(store.paths):
        if using := users(image.id):
            raise Conflict(
                f"removing image {text} for {platform}: in use by {', '.join(using)}",
                hint="remove these first",
            )
        Lists(store.paths).remove_entry(text, entry)
    left, name = store.match(text)
    lines = [f"Deleted: {entry}"]
    if isinstance(left, ManifestList) and not image_ids(store.paths, left):
        lines = _remove_list(store, left, name, users)
    return lines + _remove_nameless(store, {image.id}, users)


def _remove_nameless(store: ImageStore, held: set[str], users: ImageUsers) -> list[str]:
    """Remove those of the images `held` that have no name and no use; docker's lines for that."""
    lines: list[str] = []
    for image in store.list():
        if image.id in held and not image.names:
            # another list may have it, or a container
            with contextlib.suppress(NotFound, Conflict):
                lines += store.remove(image, in_use=users, clear=users.clear)
    return lines


def _prune(
    store: ImageStore, filters: Sequence[str], everything: bool, users: ImageUsers
) -> list[str]:
    from crun_py.filters import parse
    from crun_py.show import image_filters

    wanted = parse([*filters], image_filters.PRUNE)
    if "dangling" in wanted:
        everything = not image_filters.boolean("dangling", wanted.pop("dangling")[-1])
    fits = image_filters.prepare(store, wanted, users)
    lines: list[str] = []
    for found in store.lists():
        idle = not any(users(image_id) for image_id in image_ids(store.paths, found))
        if idle and (everything or not found.names) and fits(found):
            lines += _remove_list(store, found, "", users)
    held = {i for found in store.lists() for i in image_ids(store.paths, found)}
    for image in store.list():
        if (image.names and not everything) or (not image.names and image.id in held):
            continue
        if not users(image.id) and fits(image):
            # somebody else may be faster, or begin to use it
            with contextlib.suppress(NotFound, Conflict):
                lines += store.remove(image, force=True, in_use=users)
    return lines + [f"Deleted: {chain_id}" for chain_id in store.tidy()]
