"""Manifest lists of the store: one name for the images of several platforms."""

from __future__ import annotations

from crun_py.model.image import Pushed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from crun_py.documents.image import Platform
    from crun_py.engine.context import Context
    from crun_py.model.registry import EntryChange, PushChange, RegistryAccess
    from crun_py.oci.transfer.lists import Changes, Lists

CALLS = ("exists", "create", "add", "annotate", "remove_entry", "remove", "inspect", "push")


def exists(context: Context, name: str) -> bool:
    """Whether a name or id means a manifest list.  Raises InvalidArgument."""
    return _lists(context).exists(name)


def create(
    context: Context,
    name: str,
    images: Sequence[str] = (),
    *,
    amend: bool = False,
    everything: bool = False,
    reach: RegistryAccess | None = None,
) -> str:
    """Make the list `name` with `images`, or with `amend` add them to it; its digest.

    everything: of one that is a list itself all images.  When an image cannot be added, a list
    that was made just now is removed again.  Raises Conflict for a name that is taken, and as
    `add`.
    """
    lists = _lists(context, reach)
    existed = lists.exists(name)
    digest = lists.create(name, amend=amend)
    try:
        for image in images:
            digest = lists.add(name, image, everything=everything)
    except BaseException:
        if not existed:
            lists.remove(name)
        raise
    return digest


def add(
    context: Context,
    name: str,
    image: str,
    change: EntryChange | None = None,
    *,
    everything: bool = False,
    reach: RegistryAccess | None = None,
) -> str:
    """Add `image`, of the store or else of a registry or archive, to the list `name`; the list's
    digest.  everything: as for `create`.  Raises NotFound, InvalidArgument, RegistryError."""
    changes = changes_of(change)
    return _lists(context, reach).add(name, image, changes, everything=everything)


def annotate(context: Context, name: str, image: str, change: EntryChange) -> str:
    """Change what the list says of `image`, a name or a digest; the list's digest.

    Raises NotFound, InvalidArgument.
    """
    return _lists(context).annotate(name, image, changes_of(change))


def remove_entry(context: Context, name: str, image: str) -> str:
    """Take `image`, a name or a digest, from the list; the list's digest.  Raises NotFound."""
    return _lists(context).remove_entry(name, image)


def remove(context: Context, name: str) -> str:
    """Remove the list's name, and with its last one the list; its digest.  Raises NotFound."""
    return _lists(context).remove(name)


def inspect(
    context: Context, name: str, *, reach: RegistryAccess | None = None
) -> dict[str, object]:
    """The list of this store, or the manifest that a registry has.  Raises NotFound,
    RegistryError."""
    found: dict[str, object] = _lists(context, reach).inspect(name)
    return found


def push(
    context: Context,
    name: str,
    destination: str = "",
    *,
    everything: bool = True,
    change: PushChange | None = None,
    purge: bool = False,
    reach: RegistryAccess | None = None,
) -> Pushed:
    """Send the list, and with `everything` its images, to `destination`, by default the registry
    of its name.

    purge: remove it here then.  Raises as exchange.push.
    """
    from crun_py.engine.exchange import change_of

    lists = _lists(context, reach)
    with context.showing() as report:
        digest, size = lists.push(
            name,
            destination or name,
            everything=everything,
            change=change_of(change),
            progress=report,
        )
    if purge:
        lists.remove(name)
    return Pushed(digest=digest, size_bytes=size, is_list=True)


def changes_of(change: EntryChange | None) -> Changes:
    """What is said of an entry.  Raises InvalidArgument for an annotation without =."""
    from crun_py.oci.transfer.lists import NO_CHANGES, Changes

    if change is None:
        return NO_CHANGES
    platform: Platform = {
        "os": change.os,
        "architecture": change.architecture,
        "variant": change.variant,
        "os.version": change.os_version,
        "os.features": [*change.os_features],
        "features": [*change.features],
    }
    return Changes(platform, [*change.annotations])


def _lists(context: Context, reach: RegistryAccess | None = None) -> Lists:
    from crun_py.engine.registries import access
    from crun_py.oci.transfer.lists import Lists

    return Lists(context.paths, access(reach) if reach else None)
