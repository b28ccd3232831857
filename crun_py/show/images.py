"""What `images`, `history` and `image tree` show, and which images `image prune` removes.

Rows are text fields with Docker's names.
"""

from __future__ import annotations

import contextlib
import os
import time

from crun_py import clock, state
from crun_py.errors import Conflict, CrunpyError, InvalidArgument, NotFound, printable
from crun_py.filters import label_matches
from crun_py.filters import parse as parse_filters
from crun_py.oci import gc
from crun_py.oci.image import Image
from crun_py.oci.listed import ManifestList, image_ids
from crun_py.oci.reference import Reference, other_spelling, parse
from crun_py.oci.store import ImageStore
from crun_py.overlay import mount
from crun_py.paths import Paths, private_dir
from crun_py.show.listing import human_size, since

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Users = Callable[[str], list[str]]

FILTERS = (
    "dangling reference label label! before since after until id containers manifest "
    "intermediate readonly"
).split()
PRUNE_FILTERS = "dangling until label label!".split()
_WIDTH = 45
SORTS = ("created", "id", "repository", "size", "tag")


def users(paths: Paths, stopped: Callable[[state.Container], None] | None = None) -> Users:
    """A function that gives what uses an image id: `container ID`, or where it is mounted.

    stopped: where nothing else does, called with each of its containers, none of which runs;
    they are expected to be gone then.
    """
    containers: dict[str, list[state.Container]] = {}
    for container in state.every(paths):
        mounted = [m["image_id"] for m in container.record["mounts"] if m["type"] == "image"]
        for image_id in {container.record["image_id"], *mounted}:
            containers.setdefault(image_id, []).append(container)
    top = paths.root + "/mounted"
    mounts = {
        name: f"the mount on {top}/{name}"
        for name in (os.listdir(top) if os.path.isdir(top) else [])
        if mount.is_mounted(f"{top}/{name}")
    }
    gone: set[str] = set()

    def of(image_id: str) -> list[str]:
        mine = [c for c in containers.get(image_id, []) if c.id not in gone]
        mounted = [mounts[image_id]] if image_id in mounts else []
        if stopped is None:
            return [f"container {c.id[:12]}" for c in mine] + mounted
        states = [(c, c.status()) for c in mine]
        busy = [
            f"{status.state} container {c.id[:12]}"
            for c, status in states
            if status.alive or status.state == "restarting"
        ]
        if not busy + mounted:
            for container in mine:
                stopped(container)
                gone.add(container.id)
        return busy + mounted

    return of


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
) -> list[dict[str, Any]]:
    """One row per name of each image and manifest list, newest first unless `sort` (one of
    SORTS) says else.

    reference: only names that match it; everything: also images without a name that a
    list has; whole: ids are not cut; labels: rows have them, which takes reading each image's
    config; in_use: what uses an image id.  Raises
    InvalidArgument, NotFound (an image that a filter names).
    """
    if sort not in SORTS:
        raise InvalidArgument(f"sort {sort!r}: not known", hint=", ".join(SORTS))
    lists = store.lists()
    wanted = parse_filters(filters or [], FILTERS)
    prepared = _prepare(store, wanted)
    held = set() if everything else _held(store, lists)
    found: list[Image | ManifestList] = [
        *lists, *(i for i in store.list() if i.names or i.id not in held)
    ]  # fmt: skip
    made = []
    for image in sorted(found, key=lambda i: i.created, reverse=True):
        if not _passes(image, prepared, in_use):
            continue
        names = [parse(name) for name in image.names]
        if patterns := wanted.get("reference"):
            names = [r for r in names if any(_reference_matches(r, p) for p in patterns)]
        if reference:
            names = [r for r in names if _reference_matches(r, reference)]
        tagged = {r.name for r in names if r.tag}
        names = [r for r in names if r.tag or r.name not in tagged]  # the tag's row has the digest
        nameless: list[Reference | None] = [None] if not (image.names or reference) else []
        made += [_row(image, name, whole, labels) for name in names or nameless]
    return _sorted(made, sort)


def _held(store: ImageStore, lists: list[ManifestList]) -> set[str]:
    """Ids of the images that `lists` have."""
    return {image_id for found in lists for image_id in image_ids(store.paths, found)}


def _row(
    image: Image | ManifestList, name: Reference | None, whole: bool, labels: bool
) -> dict[str, Any]:
    image = image.under(str(name)) if name else image
    return {
        **({"Labels": _labels(image)} if labels else {}),
        "Repository": name.familiar_name if name else "<none>",
        "Tag": (name.tag if name else None) or "<none>",
        "Digest": image.source or image.digest,
        "ID": "sha256:" + image.id if whole else image.id[:12],
        "CreatedSince": since(image.created) + " ago" if image.created else "N/A",
        "CreatedAt": created_at(image.created),
        "Size": human_size(image.size),
        "VirtualSize": human_size(image.size),
        "Bytes": image.size,
        "Containers": "N/A",
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
        # podman's names
        "Created": since(image.created) + " ago" if image.created else "N/A",
        "CreatedTime": created_at(image.created),
        "Id": image.id,
        "Names": image.familiar_names,
        "RepoTags": image.familiar_names,
        "RepoDigests": image.familiar_digests,
        "History": ", ".join(image.familiar_names),
        "ParentId": "",
        "ReadOnly": False,
        "IsReadOnly": False,
        "Dangling": not image.names,
        "IsDangling": not image.names,
    }


def _sorted(made: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    if sort == "created":
        return made
    fields = {"id": "ID", "repository": "Repository", "size": "Bytes", "tag": "Tag"}
    return sorted(made, key=lambda row: row[fields[sort]])


def created_at(timestamp: str) -> str:
    """An RFC 3339 time as Docker's templates show it, `2026-01-02 03:04:05 +0000 UTC`."""
    try:
        seconds = clock.parse_rfc3339(timestamp) // 10**9
    except ValueError:
        return timestamp
    return time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(seconds))


# ---- filters ----


def _reference_matches(ref: Reference, wanted: str) -> bool:
    if any(c in wanted for c in "*?["):
        import fnmatch

        forms = (ref.familiar_name, f"{ref.familiar_name}:{ref.tag}", ref.name, str(ref))
        return any(fnmatch.fnmatchcase(text, wanted) for text in forms)
    other = parse(wanted)
    named = ":" in wanted.rpartition("/")[2] or "@" in wanted
    alias = other_spelling(other)
    return ref.name in (other.name, alias and alias.name) and (
        not named or (ref.tag, ref.digest) == (other.tag, other.digest)
    )


def _boolean(key: str, text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise InvalidArgument(f"filter {key}={text}: not true or false")
    return text.lower() in ("true", "1")


def _labels(image: Image | ManifestList) -> dict[str, str]:
    return (image.config.get("config") or {}).get("Labels") or {}


def _created_ns(image: Image | ManifestList) -> int:
    try:
        return clock.parse_rfc3339(image.created)
    except ValueError:
        return 0


def _prepare(store: ImageStore, wanted: dict[str, list[str]]) -> dict[str, list[Any]]:
    """The values of filters checked once: truth values, and times as nanoseconds."""
    prepared: dict[str, list[Any]] = {}
    for key, values in wanted.items():
        if key == "intermediate":
            prepared[key] = [(_boolean(key, value), _childless(store)) for value in values[-1:]]
        elif key in ("dangling", "containers", "manifest", "readonly"):
            prepared[key] = [_boolean(key, value) for value in values[-1:]]
        elif key == "until":
            prepared[key] = [clock.parse_point(value) for value in values]
        elif key in ("before", "since", "after"):
            prepared[key] = [_created_ns(store.find(value)) for value in values]
        else:
            prepared[key] = [*values]
    return prepared


def _childless(store: ImageStore) -> set[str]:
    """Ids of the images that no other is built on."""
    found = store.list()
    return {
        image.id
        for image in found
        if not any(
            other.id != image.id and other.chain[: len(image.chain)] == image.chain
            for other in found
        )
    }


def _passes(image: Image | ManifestList, wanted: dict[str, list[Any]], in_use: Users) -> bool:
    """Whether `image` is one of those that prepared filters want."""
    for key, values in wanted.items():
        if key == "dangling":
            good = (not image.names) == values[0]
        elif key == "containers":
            good = bool(in_use(image.id)) == values[0]
        elif key == "readonly":
            good = not values[0]  # there is no further store that is only read
        elif key == "intermediate":
            good = (not image.names and image.id in values[0][1]) == values[0][0]
        elif key == "manifest":
            good = isinstance(image, ManifestList) == values[0]
        elif key == "label":
            good = all(label_matches(_labels(image), v) for v in values)
        elif key == "label!":
            good = not any(label_matches(_labels(image), v) for v in values)
        elif key == "id":
            good = any(image.id.startswith(v.removeprefix("sha256:")) for v in values)
        elif key == "reference":
            good = any(_reference_matches(parse(n), v) for n in image.names for v in values)
        elif key in ("before", "until"):
            good = any(_created_ns(image) < v for v in values)
        else:
            good = any(_created_ns(image) > v for v in values)
        if not good:
            return False
    return True


# ---- rm and prune ----


def remove(store: ImageStore, text: str, *, force: bool, in_use: Users) -> list[str]:
    """As ImageStore.remove; `text` may also mean a manifest list."""
    found, name = store.match(text)
    if not isinstance(found, ManifestList):
        return store.remove(text, force=force, in_use=in_use)
    if not name and len(found.names) > 1 and not force:
        raise Conflict(
            f"removing image {text}: it has several names: {', '.join(found.familiar_names)}",
            hint="remove the names one by one, or all of them with -f",
        )
    return _remove_list(store, found, name, in_use)


def _remove_list(store: ImageStore, found: ManifestList, name: str, in_use: Users) -> list[str]:
    """Remove a list, by `name` or altogether, and its images that nothing else names or uses."""
    held = image_ids(store.paths, found)
    lines = store.remove_list(found, name)
    for image in store.list():
        if image.id in held and not image.names and not in_use(image.id):
            # another list may have it
            with contextlib.suppress(NotFound, Conflict):
                lines += store.remove(image, in_use=in_use)
    return lines


def prune(
    store: ImageStore,
    *,
    everything: bool = False,
    filters: list[str] | None = None,
    in_use: Users = lambda image_id: [],
) -> list[str]:
    """Remove the dangling images, or with `everything` all that no container uses; what a
    manifest list has stays, and so does a list that has what a container uses.

    Returns docker's lines, `Untagged: …` and `Deleted: …`.  Raises InvalidArgument.
    """
    wanted = parse_filters(filters or [], PRUNE_FILTERS)
    if "dangling" in wanted:
        everything = not _boolean("dangling", wanted.pop("dangling")[-1])
    prepared = _prepare(store, wanted)
    lines: list[str] = []
    for found in store.lists():
        idle = not any(in_use(image_id) for image_id in _held(store, [found]))
        if idle and (everything or not found.names) and _passes(found, prepared, in_use):
            lines += _remove_list(store, found, "", in_use)
    held = _held(store, store.lists())
    for image in store.list():
        if (image.names and not everything) or in_use(image.id):
            continue
        if not image.names and image.id in held:
            continue
        if _passes(image, prepared, in_use):
            # somebody else may be faster
            with contextlib.suppress(NotFound):
                lines += store.remove(image, force=True, in_use=in_use)
    return lines + [f"Deleted: {chain_id}" for chain_id in gc.tidy(store.paths)]


# ---- mount and diff ----


def mount_point(paths: Paths, image: Image) -> str:
    """Where `image mount` shows the image."""
    return f"{paths.root}/mounted/{image.id}"


def is_mounted(paths: Paths, image: Image) -> bool:
    """Whether the image is shown."""
    return mount.is_mounted(mount_point(paths, image))


def show(paths: Paths, image: Image) -> str:
    """Mount the image read-only; returns the path.  Raises CrunpyError."""
    where = mount_point(paths, image)
    if mount.is_mounted(where):
        return where
    private_dir(where)
    try:
        if not image.layers:
            raise CrunpyError(f"mounting image {image.id[:12]}: it has no layers")
        mount.layers(image.layers[::-1], where)
    except BaseException:
        os.rmdir(where)
        raise
    return where


def hide(paths: Paths, image: Image) -> bool:
    """Undo `show`; False when it was not mounted.  Raises CrunpyError."""
    where = mount_point(paths, image)
    shown = mount.is_mounted(where)
    if shown:
        mount.unmount(where)
    if os.path.isdir(where):
        os.rmdir(where)
    return shown


def diff(image: Image, base: Image | None) -> list[tuple[str, str]]:
    """(kind, path) of what `image` has changed since `base`, or without one in its top layer."""
    from crun_py.overlay.compare import compare

    below = base.layers if base else image.layers[:-1]
    return compare(below[::-1], image.layers[::-1])


# ---- history and tree ----


def history(image: Image, *, human: bool = True, whole: bool = False) -> list[dict[str, Any]]:
    """One row per step by which `image` was made, the newest first.

    human: ages and sizes for people, else times and bytes; whole: nothing is cut.
    """
    told = image.config.get("history") or []
    steps: list[dict[str, Any]] = [step for step in told if isinstance(step, dict)]
    layered = sum(not step.get("empty_layer") for step in steps)
    sizes = image.layer_sizes
    # layers that the history does not tell of are shown all the same
    steps = [{}] * max(0, len(sizes) - layered) + steps
    left = iter(sizes)
    made = [
        _step(step, 0 if step.get("empty_layer") else next(left, 0), human=human, whole=whole)
        for step in steps
    ]
    made.reverse()
    if made:
        made[0]["ID"] = "sha256:" + image.id if whole else image.id[:12]
        made[0]["Tags"] = image.familiar_names
    return made


def _step(step: dict[str, Any], size: int, *, human: bool, whole: bool) -> dict[str, Any]:
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
