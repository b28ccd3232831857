"""What builds keep for the builds to come: how much it is, and removing it."""

from __future__ import annotations

import os
import time

from crun_py import jsonfile
from crun_py.build.cache import STEP
from crun_py.errors import Conflict, CorruptState
from crun_py.oci.chain import layer_directory
from crun_py.oci.store import gc
from crun_py.oci.store.image import layer_size
from crun_py.oci.store.images import ImageStore
from crun_py.record import record
from crun_py.tree import disk_usage, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from crun_py.paths import Paths


KINDS = ("layer", "config", "mount")


@record
class Kept:
    """kind: "layer", "config" (a step without one) or "mount" (of RUN --mount=type=cache).
    used: when it was last wanted, seconds since the epoch.  text: its id, or the mount's."""

    kind: str
    name: str
    text: str
    size: int
    used: float


def kept(paths: Paths) -> list[Kept]:
    """All that is kept, the latest first."""
    found = [*_steps(paths), *_mounts(paths)]
    return sorted(found, key=lambda one: -one.used)


def things(paths: Paths) -> list[Kept]:
    """The layers and mounts that are kept, each once, the latest first."""
    found: dict[str, Kept] = {}
    for one in kept(paths):
        if one.kind != "config":
            found.setdefault(one.kind + one.text, one)
    return [*found.values()]


def _steps(paths: Paths) -> Iterator[Kept]:
    for name, used in _files(paths.root + "/build/cache", ".json"):
        try:
            layer = jsonfile.read(f"{paths.root}/build/cache/{name}.json", STEP).get("layer")
        except (FileNotFoundError, CorruptState):
            layer = None
        chain_id = layer["chain_id"] if layer else ""
        size = layer_size(paths, chain_id) if layer else 0
        kind = "layer" if layer else "config"
        yield Kept(kind=kind, name=name, text=chain_id or name, size=size, used=used)


def _mounts(paths: Paths) -> Iterator[Kept]:
    for name, used in _files(paths.root + "/build/mounts", ".lock"):
        path = f"{paths.root}/build/mounts/{name}"
        try:
            text = str(jsonfile.read(path + ".json", {"id": object})["id"])
        except (FileNotFoundError, CorruptState):
            text = name
        yield Kept(kind="mount", name=name, text=text, size=disk_usage(path), used=used)


def _files(directory: str, ending: str) -> Iterator[tuple[str, float]]:
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.name.endswith(ending):
            try:
                yield entry.name[: -len(ending)], entry.stat().st_mtime
            except FileNotFoundError:
                continue  # another prune was faster


def used_by_images(store: ImageStore) -> set[str]:
    """Chain ids of the layers that images have."""
    return {chain_id for image in store.list() for chain_id in image.chain}


def prune(
    paths: Paths,
    *,
    older_s: float = 0,
    keep_bytes: int = 0,
    idle: bool = False,
    kinds: tuple[str, ...] = KINDS,
    pretended: ImageStore | None = None,
) -> tuple[list[Kept], int]:
    """Remove what was not wanted for `older_s` seconds, the oldest first, until no more than
    `keep_bytes` are left; (what was removed, bytes of the layers and mounts that went).

    idle: only layers that no image has.  kinds: of Kept.

    Layers that an image has stay on the disk.  pretended: nothing is removed, the answer is what
    would be if the images were these.
    """
    before = time.time() - older_s
    everything = kept(paths)
    left = sum(one.size for one in everything)
    held = used_by_images(pretended or ImageStore(paths)) if idle else set()
    gone: list[Kept] = []
    for one in reversed(everything):
        if idle and (one.kind != "layer" or one.text in held):
            continue
        if one.kind not in kinds:
            continue
        if one.used > before or (keep_bytes and left <= keep_bytes):
            continue
        if not pretended and not _removed(paths, one):
            continue
        left -= one.size
        gone.append(one)
    if pretended:
        return gone, sum(one.size for one in gone)
    content = paths.root + "/build/content.json"
    if not older_s and not keep_bytes and not idle and kinds == KINDS:
        _unless_gone(content)
    _release(paths)
    return gone, sum(one.size for one in gone)


def _removed(paths: Paths, one: Kept) -> bool:
    """Whether it is gone: a mount that a build has stays."""
    if one.kind == "mount":
        return _remove_mount(paths, one.name)
    _unless_gone(f"{paths.root}/build/cache/{one.name}.json")
    return True


def _release(paths: Paths) -> None:
    """Layers that no step is kept for are collected when no image has them."""
    wanted = {one.text for one in kept(paths) if one.kind == "layer"}
    for chain_id in gc.cached(paths):
        if chain_id not in wanted:
            _unless_gone(f"{layer_directory(paths, chain_id)}/{gc.CACHED}")
    gc.tidy(paths)


def _unless_gone(path: str) -> None:
    """Remove a file; two that prune may meet."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _remove_mount(paths: Paths, name: str) -> bool:
    """False while a build uses it."""
    path = f"{paths.root}/build/mounts/{name}"
    try:
        with jsonfile.Lock(path + ".lock", timeout_s=0):
            remove_tree(path)
            for ending in (".json", ".lock"):
                if os.path.exists(path + ending):
                    os.unlink(path + ending)
    except Conflict:
        return False
    return True
