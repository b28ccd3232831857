"""What `images --tree` shows: each image with the platforms for which it is here."""

from __future__ import annotations

from crun_py.oci.manifest import DOCUMENT_LIMIT, Manifest, parse, platform_text
from crun_py.oci.store import blobs, listed
from crun_py.oci.store.image import Image
from crun_py.oci.store.images import ImageStore
from crun_py.oci.store.listed import ManifestList
from crun_py.show.listing import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.oci.reference import Reference

    Cells = tuple[str, str, str, str, str]
    """Name or platform, id, bytes on the disk, bytes of the content, U where it is in use."""

HEADING = ("IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA")


def rows(
    store: ImageStore,
    found: list[tuple[Image | ManifestList, Reference | None]],
    users: Callable[[str], object],
) -> list[Cells]:
    """Lines for images and lists and the names under which they are shown (images.named), below
    each one its platforms, as docker has it since version 28.

    users: what uses an image id.
    """
    made: list[Cells] = []
    for image, name in found:
        below = _members(store, image)
        disk, content = (sum(sizes) for sizes in zip(*(b[2:4] for b in below), strict=True))
        used = any(image_id and users(image_id) for _, image_id, *_ in below)
        title = name.familiar if name else "<untagged>"
        made.append(
            (title, image.id[:12], human_size(disk), human_size(content), "U" if used else "")
        )
        for n, (platform, image_id, disk, content, shown_id) in enumerate(below):
            branch = "└─ " if n == len(below) - 1 else "├─ "
            used = bool(image_id and users(image_id))
            made.append((
                branch + platform, shown_id[:12], human_size(disk), human_size(content),
                "U" if used else "",
            ))  # fmt: skip
    return made


def _members(
    store: ImageStore, found: Image | ManifestList
) -> list[tuple[str, str, int, int, str]]:
    """(platform, image id or "" where it is not here, bytes on the disk, bytes of the content,
    digits of what to call it)."""
    if isinstance(found, Image):
        return [_member(store, found)]
    members = []
    for platform, entry in listed.members(store.paths, found):
        if image := store.listed(entry):
            members.append((platform or "unknown", *_member(store, image)[1:]))
        else:
            members.append((platform or "unknown", "", 0, 0, entry["digest"][7:]))
    return members or [("none", "", 0, 0, found.id)]


def _member(store: ImageStore, image: Image) -> tuple[str, str, int, int, str]:
    manifest = parse(blobs.read(store.paths, image.digest, DOCUMENT_LIMIT))
    assert isinstance(manifest, Manifest)
    content = sum(one.size for one in (manifest.config, *manifest.layers))
    platform = platform_text(image.config) or "unknown"
    return platform, image.id, image.size + content, content, image.digest[7:]
