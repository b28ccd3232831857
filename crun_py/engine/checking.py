"""`system check`: whether a store is whole, and mending what can be mended.

Looked at: the index, manifests, configs, blobs and layers of images; records, names and layers of
containers; volumes; networks; and what killed commands left.  Nothing that a living command is at
counts.
"""

from __future__ import annotations

import os

from crun_py import jsonfile, state, volumes
from crun_py.errors import CorruptState, CrunpyError, NotFound
from crun_py.model.system import Fault
from crun_py.oci.store import blobs, unsettled
from crun_py.shapes import VOLUME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.engine.context import Context
    from crun_py.oci.store.images import ImageStore
    from crun_py.paths import Paths

    Found = tuple[Fault, Callable[[], None] | None]
    """And what mends it, None for what only its user can."""

CALLS = ("check",)


def check(context: Context, *, repair: bool = False, quick: bool = False) -> tuple[Fault, ...]:
    """What is wrong with the store.

    quick: contents are not compared with their digests.  repair: damaged blobs and what cannot
    exist without them go, images are pulled again by who wants them; names that lead nowhere and
    what killed commands left go.  Containers and volumes are never removed.
    """
    from crun_py.record import replaced

    context.enter()
    told = []
    for look in (_strays, _images, _containers, _volumes, _networks):
        for fault, mend in list(look(context, quick)):
            done = False
            if repair and mend:
                try:
                    mend()
                    done = True
                except CrunpyError as e:
                    fault = replaced(fault, what=f"{fault.what}; {e.line()}")
            told.append(replaced(fault, repaired=done))
    return tuple(told)


def _strays(context: Context, quick: bool) -> Iterator[Found]:
    from crun_py.container import lifecycle
    from crun_py.oci.store import gc

    paths = context.paths
    if lifecycle.needs_sweep(paths):
        yield (
            Fault("leftover", "containers", "killed commands or monitors left some unfinished"),
            lambda: lifecycle.sweep(paths, rootless=context.rootless),
        )
    left = [n for n in _names(paths.volumes) if n.startswith((".gone-", ".new-"))]
    if left:
        yield (
            Fault("leftover", "volumes", f"{len(left)} were being made or removed"),
            lambda: volumes.sweep(paths),
        )
    parts = [n for n in _names(paths.images + "/.staging") if n.endswith(".part")]
    if parts:
        yield (
            Fault("leftover", "images", f"{len(parts)} blobs were being written"),
            lambda: (gc.sweep(paths), None)[1],
        )
    if lost := len(unsettled.doubtful(paths)):
        yield (
            Fault("leftover", "images", f"{lost} parts were not on the disk at the last stop"),
            lambda: (gc.sweep(paths), None)[1],
        )


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


# ---- images ----


def _images(context: Context, quick: bool) -> Iterator[Found]:
    from crun_py.oci.store.images import ImageStore

    paths = context.paths
    if not os.path.isdir(paths.images):
        return
    bad = set() if quick else _damaged_blobs(paths)
    for digest in sorted(bad):
        yield Fault("image", digest, "its content is not that of its name"), _drop(paths, digest)
    store = ImageStore(paths)
    try:
        with jsonfile.Lock(paths.images + "/.lock"):
            found = store.whole(bad)
    except CorruptState as e:
        yield Fault("image", "index.json", e.message), lambda: store.rebuild(_known(paths))
        return
    for name, digest, why in found:
        yield Fault("image", name, why), _forget(store, digest)


def _known(paths: Paths) -> dict[str, str]:
    """The names that containers know images by, by the images' ids."""
    from crun_py.oci.store import rebuilt

    found = ((c.record["image_id"], rebuilt.full_name(c.record["image"]))
             for c in state.every(paths, []))  # fmt: skip
    return {image_id: name for image_id, name in found if image_id and name}


def _forget(store: ImageStore, digest: str) -> Callable[[], None]:
    return lambda: store.forget(digest)


def _drop(paths: Paths, digest: str) -> Callable[[], None]:
    """Removes a damaged blob, unless a pull has replaced it meanwhile."""

    def act() -> None:
        with blobs.lock(paths, digest):
            if not blobs.is_whole(paths, digest):
                os.unlink(blobs.blob_path(paths, digest))

    return act


def _damaged_blobs(paths: Paths) -> set[str]:
    """Digests of blobs that are none.  No lock is needed: a blob that has a name never changes."""
    names = (n for n in _names(paths.images + "/blobs/sha256") if len(n) == 64)
    doubtful = {digest for _, _, digest in unsettled.doubtful(paths)}  # they are told of above
    found = {"sha256:" + name for name in names} - doubtful
    return {digest for digest in found if not blobs.is_whole(paths, digest)}


# ---- containers ----


def _containers(context: Context, quick: bool) -> Iterator[Found]:
    from crun_py.container import lifecycle

    paths = context.paths
    there = set(state.ids(paths))
    for container_id in sorted(there - set(lifecycle.outlived(paths))):
        yield from _container(paths, container_id)
    names = paths.containers + "/.names"
    for name in _names(names):
        holder = state.name_holder(paths, name)
        if holder and holder.startswith(state.POD):
            if not os.path.isdir(paths.pod(holder.removeprefix(state.POD))):
                fault = Fault("pod", name, "the name leads to no pod")
                yield fault, _release(paths, name, holder)
        elif not holder or not (holder in there or _in_the_making(paths, holder)):
            fault = Fault("container", name, "the name leads to no container")
            yield fault, _release(paths, name, holder or "")


def _release(paths: Paths, name: str, holder: str) -> Callable[[], None]:
    return lambda: state.release_name(paths, name, holder)


def _in_the_making(paths: Paths, container_id: str) -> bool:
    from crun_py import staging

    return any(claim.container_id == container_id for claim in staging.claims(paths))


def _container(paths: Paths, container_id: str) -> Iterator[Found]:
    short = container_id[:12]
    try:
        container = state.load(paths, container_id)
        container.spec()
    except NotFound:
        return  # removed just now
    except CorruptState as e:
        yield Fault("container", short, f"{e.line()}: `rm -f` removes it"), None
        return
    record = container.record
    gone = [layer for layer in record["layers"] if not os.path.isdir(f"{paths.root}/{layer}")]
    if gone:
        yield (
            Fault("container", record["name"], f"it lacks {len(gone)} layers: pull its image"),
            None,
        )
    if not record.get("rootfs") and not os.path.isdir(container.directory + "/upper"):
        yield Fault("container", record["name"], "it lacks its writable layer"), None
    known = set(volumes.names(paths))
    for name in sorted(container.volumes - known):
        yield Fault("container", record["name"], f"it lacks volume {name}"), None
    if state.name_holder(paths, record["name"]) != container_id:
        yield (
            Fault("container", record["name"], "its name leads to another one, or nowhere"),
            lambda: state.take_name(paths, record["name"], container_id),
        )


# ---- the others ----


def _volumes(context: Context, quick: bool) -> Iterator[Found]:
    paths = context.paths
    for name in _names(paths.volumes):
        if name[0] == ".":
            continue
        directory = f"{paths.volumes}/{name}"
        if not os.path.isdir(directory + "/_data"):
            yield Fault("volume", name, "it has no directory for its content"), None
            continue
        try:
            jsonfile.read(directory + "/volume.json", VOLUME)
        except (FileNotFoundError, CorruptState):
            yield Fault("volume", name, "what was noted of it is lost; its content is there"), None


def _networks(context: Context, quick: bool) -> Iterator[Found]:
    from crun_py.net import config

    for name in _names(context.paths.root + "/networks"):
        stem, _, ending = name.rpartition(".")
        if ending != "json" or not stem or stem[0] == ".":
            continue
        try:
            config.load(context.paths, stem)
        except CrunpyError as e:
            yield Fault("network", stem, e.line()), None
