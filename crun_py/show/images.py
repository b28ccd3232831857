"""What `images`, `history` and `image tree` show.

Rows are text fields with Docker's names.
"""

from __future__ import annotations

import time

from crun_py import clock
from crun_py.errors import InvalidArgument, printable
from crun_py.filters import parse as parse_filters
from crun_py.oci.reference import Reference, parse
from crun_py.oci.store.image import Image
from crun_py.oci.store.images import ImageStore
from crun_py.oci.store.listed import ManifestList, image_ids
from crun_py.show.image_filters import FILTERS, labels_of, prepare, reference_matches
from crun_py.show.listing import human_size, since

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Literal

    from crun_py.documents.image import History
    from crun_py.documents.rows import HistoryRow, ImageRow

    Users = Callable[[str], list[str]]

_WIDTH = 45
SORTS = ("created", "id", "repository", "size", "tag")


def rows(
    store: ImageStore,
    *,
    filters: list[str] | None = None,
    reference: str | None = None,
    everything: bool = False,
    whole: bool = False,
    labels: bool = False,
    sort: str = "created",
    in_use: Users = lambda image_id: [],
) -> list[ImageRow]:
    """One row per name of each image and manifest list, newest first unless `sort` (one of
    SORTS) says else.

    whole: ids are not cut; labels: rows have them, which takes reading each image's config; the
    others as for `named`.  Raises InvalidArgument, NotFound (an image that a filter names).
    """
    if sort not in SORTS:
        raise InvalidArgument(f"sort {sort!r}: not known", hint=", ".join(SORTS))
    found = named(store, filters=filters, reference=reference, everything=everything, in_use=in_use)
    return ordered([_row(image, name, whole, labels) for image, name in found], sort)


def named(
    store: ImageStore,
    *,
    filters: list[str] | None = None,
    reference: str | None = None,
    everything: bool = False,
    in_use: Users = lambda image_id: [],
) -> list[tuple[Image | ManifestList, Reference | None]]:
    """Each image and manifest list once for each name that is shown, None for one without; the
    newest first.

    reference: only names that match it; everything: also images without a name that a
    list has; in_use: what uses an image id.  Raises InvalidArgument, NotFound (an image that a
    filter names).
    """
    lists = store.lists()
    wanted = parse_filters(filters or [], FILTERS)
    fits = prepare(store, wanted, in_use)
    held = set() if everything else _held(store, lists)
    found: list[Image | ManifestList] = [
        *lists, *(i for i in store.list() if i.names or i.id not in held)
    ]  # fmt: skip
    made: list[tuple[Image | ManifestList, Reference | None]] = []
    for image in sorted(found, key=lambda i: i.created, reverse=True):
        if not fits(image):
            continue
        shown = names_shown(image.names, reference, wanted.get("reference", []))
        made += [(image, name) for name in shown]
    return made


def names_shown(
    all_names: Iterable[str], reference: str | None, patterns: list[str]
) -> list[Reference | None]:
    """The names of which an image has a row; None for that of an image without a name.

    reference, patterns: as users write them; the names match the first and one of the others.
    Raises InvalidArgument.
    """
    names = [parse(name) for name in all_names]
    has_none = not names
    if patterns:
        names = [r for r in names if any(reference_matches(r, p) for p in patterns)]
    if reference:
        names = [r for r in names if reference_matches(r, reference)]
    tagged = {r.name for r in names if r.tag}
    found = [r for r in names if r.tag or r.name not in tagged]  # the tag's row has the digest
    return [*found] or ([None] if has_none and not reference else [])


def _held(store: ImageStore, lists: list[ManifestList]) -> set[str]:
    """Ids of the images that `lists` have."""
    return {image_id for found in lists for image_id in image_ids(store.paths, found)}


def _row(
    image: Image | ManifestList, name: Reference | None, whole: bool, labels: bool
) -> ImageRow:
    image = image.under(str(name)) if name else image
    return row(
        name, whole=whole, image_id=image.id, digest=image.source or image.digest,
        created=image.created, size=image.size, names=image.familiar_names,
        digests=image.familiar_digests, dangling=not image.names,
        labels=labels_of(image) if labels else None,
    )  # fmt: skip


def row(
    name: Reference | None, *, whole: bool, image_id: str, digest: str, created: str, size: int,
    names: list[str], digests: list[str], dangling: bool, labels: dict[str, str] | None,
) -> ImageRow:  # fmt: skip
    """An image under one of its names.  image_id: hex digits; created: RFC 3339; labels: None for
    a row without."""
    row: ImageRow = {
        "Repository": name.familiar_name if name else "<none>",
        "Tag": (name.tag if name else None) or "<none>",
        "Digest": digest,
        "ID": "sha256:" + image_id if whole else image_id[:12],
        "CreatedSince": since(created) + " ago" if created else "N/A",
        "CreatedAt": created_at(created),
        "Size": human_size(size),
        "VirtualSize": human_size(size),
        "Bytes": size,
        "Containers": "N/A",
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
        # podman's names
        "Created": since(created) + " ago" if created else "N/A",
        "CreatedTime": created_at(created),
        "Id": image_id,
        "Names": names,
        "RepoTags": names,
        "RepoDigests": digests,
        "History": ", ".join(names),
        "ParentId": "",
        "ReadOnly": False,
        "IsReadOnly": False,
        "Dangling": dangling,
        "IsDangling": dangling,
    }
    if labels is not None:
        row["Labels"] = labels
    return row


def ordered(made: list[ImageRow], sort: str) -> list[ImageRow]:
    """Rows that are there the newest first, in the order of one of SORTS."""
    if sort == "created":
        return made
    if sort == "size":
        return sorted(made, key=lambda row: row["Bytes"])
    fields: dict[str, Literal["ID", "Repository", "Tag"]] = {
        "id": "ID", "repository": "Repository", "tag": "Tag",
    }  # fmt: skip
    return sorted(made, key=lambda row: row[fields[sort]])


def created_at(timestamp: str) -> str:
    """An RFC 3339 time as Docker's templates show it, `2026-01-02 03:04:05 +0000 UTC`."""
    try:
        seconds = clock.parse_rfc3339(timestamp) // 10**9
    except ValueError:
        return timestamp
    return time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(seconds))


# ---- history and tree ----


def history(image: Image, *, human: bool = True, whole: bool = False) -> list[HistoryRow]:
    """One row per step by which `image` was made, the newest first.

    human: ages and sizes for people, else times and bytes; whole: nothing is cut.
    """
    told = image.config.get("history") or []
    steps: list[History] = [step for step in told if isinstance(step, dict)]
    layered = sum(not step.get("empty_layer") for step in steps)
    sizes = image.layer_sizes
    # layers that the history does not tell of are shown all the same
    untold: list[History] = [{}] * max(0, len(sizes) - layered)
    steps = untold + steps
    left = iter(sizes)
    made = [
        history_row(step, 0 if step.get("empty_layer") else next(left, 0), human=human, whole=whole)
        for step in steps
    ]
    made.reverse()
    if made:
        made[0]["ID"] = "sha256:" + image.id if whole else image.id[:12]
        made[0]["Tags"] = image.familiar_names
    return made


def history_row(step: History, size: int, *, human: bool, whole: bool) -> HistoryRow:
    """One step of an image's making, whose layer has `size` bytes."""
    created = str(step.get("created") or "")
    by = printable(str(step.get("created_by") or "").replace("\t", " "))
    if not whole and len(by) > _WIDTH:
        by = by[: _WIDTH - 1] + "…"
    ago = since(created) + " ago" if created else "N/A"
    return {
        "ID": "<missing>",
        "CreatedSince": ago if human else created,
        "CreatedAt": created,
        "CreatedBy": by,
        "Size": human_size(size) if human else str(size),
        "Comment": printable(str(step.get("comment") or "")),
        # podman's names
        "Created": ago if human else created,
        "Tags": [],
    }


def tree(store: ImageStore, image: Image, *, what_requires: bool = False) -> list[str]:
    """Lines that show the layers of `image`, or with `what_requires` what is built on it."""
    lines = [
        f"Image ID: {image.id[:12]}",
        f"Tags:     [{' '.join(image.familiar_names)}]",
        f"Size:     {human_size(image.size)}",
    ]
    if not image.chain:
        return [*lines, "No Image Layers"]
    tops: dict[str, list[str]] = {}
    others = store.list()
    for other in others:
        if other.chain:
            tops.setdefault(other.chain[-1], []).extend(other.familiar_names)
    if not what_requires:
        lines.append("Image Layers")
        for n, (chain_id, size) in enumerate(zip(image.chain, image.layer_sizes, strict=True)):
            last = n == len(image.chain) - 1
            lines.append(("└── " if last else "├── ") + _tree_line(chain_id, size, tops))
        return lines
    lines.append(f"Image ID {image.id[:12]} is needed by")
    children = _children(others, image)
    return lines + _branches(children, image.chain[-1], tops, "")


def _children(others: list[Image], image: Image) -> dict[str, dict[str, int]]:
    """chain id → {chain id of a layer directly on it: bytes}, of images built on `image`."""
    children: dict[str, dict[str, int]] = {}
    depth = len(image.chain)
    for other in others:
        if other.chain[:depth] != image.chain:
            continue
        sizes = other.layer_sizes
        for n in range(depth, len(other.chain)):
            children.setdefault(other.chain[n - 1], {})[other.chain[n]] = sizes[n]
    return children


def _branches(
    children: dict[str, dict[str, int]], chain_id: str, tops: dict[str, list[str]], indent: str
) -> list[str]:
    lines = []
    below = [*children.get(chain_id, {}).items()]
    for n, (child, size) in enumerate(below):
        last = n == len(below) - 1
        lines.append(indent + ("└── " if last else "├── ") + _tree_line(child, size, tops))
        lines += _branches(children, child, tops, indent + ("    " if last else "│   "))
    return lines


def _tree_line(chain_id: str, size: int, tops: dict[str, list[str]]) -> str:
    names = tops.get(chain_id)
    top = f" Top Layer of: [{' '.join(names)}]" if names else ""
    return f" ID: {chain_id[7:19]} Size: {human_size(size)}{top}"
