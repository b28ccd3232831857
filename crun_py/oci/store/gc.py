"""Blobs and layers that no image refers to are deleted; so is what dead pulls left.

A pull holds `images/.pulls` shared for as long as it has parts that no image refers to
yet; collecting needs it alone.  Who finds it taken leaves the work to the last pull.
"""

from __future__ import annotations

import os

from crun_py import jsonfile
from crun_py.errors import Conflict, CrunpyError, NotFound
from crun_py.oci.chain import chain_ids
from crun_py.oci.reference import is_id_prefix, parse_digest
from crun_py.oci.store import blobs, layers, unsettled
from crun_py.oci.store.blobs import read_index
from crun_py.paths import Paths
from crun_py.shapes import fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crun_py.documents.image import Descriptor

_WANTED = "/.collect"
CACHED = "cached"
"""The file beside a layer that is kept for the builds to come; it names the layers below."""
_DOCUMENT_LIMIT = 4 << 20


def pulling(paths: Paths) -> jsonfile.Lock:
    """Held while parts without an image must not be collected."""
    return jsonfile.Lock(paths.images + "/.pulls", shared=True)


def collect(paths: Paths) -> list[str]:
    """Delete what no image refers to; returns the chain ids of deleted layers.

    Does nothing while a pull runs.  The caller holds the lock of index.json.
    """
    try:
        with jsonfile.Lock(paths.images + "/.pulls", timeout_s=0):
            if os.path.lexists(paths.images + _WANTED):
                os.unlink(paths.images + _WANTED)
            return _collect(paths)
    except Conflict:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            os.close(os.open(paths.images + _WANTED, flags, 0o600))
        except OSError:
            return []  # a full disk: the next removal collects
        return []


def collect_if_wanted(paths: Paths) -> None:
    """Collect what a removal had to leave because of a pull that has ended now."""
    if os.path.exists(paths.images + _WANTED):
        with jsonfile.Lock(paths.images + "/.lock"):
            collect(paths)


def sweep(paths: Paths) -> int:
    """Delete what killed commands left half done, of any age; returns how many things."""
    swept = blobs.sweep(paths) + layers.sweep(paths)
    if not os.path.isdir(paths.images):
        return swept
    swept += drop_doubtful(paths)
    with jsonfile.Lock(paths.images + "/.lock"):
        for name in os.listdir(paths.images):
            if name.startswith(".index.json.") and name.endswith(".tmp"):
                os.unlink(f"{paths.images}/{name}")
                swept += 1
    return swept


def drop_doubtful(paths: Paths) -> int:
    """Delete what is lost of blobs and layers that had not been written out when the machine
    stopped; returns how many that were.  The layers of an image were, before it got its name."""
    if not unsettled.doubtful(paths):
        return 0
    dropped = 0
    with unsettled.lock(paths):
        _, kept_layers = _kept(paths)
        for note, kind, digest in unsettled.doubtful(paths):
            if kind == "layer" and digest[7:] not in kept_layers:
                dropped += layers.remove(paths, digest)
            elif kind == "blob":
                dropped += _drop_damaged(paths, digest)
            unsettled.settled(paths, [note])
    return dropped


def _drop_damaged(paths: Paths, digest: str) -> bool:
    """Delete a blob unless it is whole; whether it was deleted."""
    with blobs.lock(paths, digest):
        if blobs.is_whole(paths, digest):
            return False
        os.unlink(blobs.blob_path(paths, digest))
        return True


def tidy(paths: Paths) -> list[str]:
    """`sweep` and `collect`, for a prune: what killed commands left, half done or whole."""
    sweep(paths)
    if not os.path.isdir(paths.images):
        return []
    with jsonfile.Lock(paths.images + "/.lock"):
        return collect(paths)


def unneeded(paths: Paths, entries: Iterable[Descriptor]) -> tuple[list[str], list[str]]:
    """What `collect` deletes if these are index.json's entries: chain ids of layers, and the digits
    of blobs."""
    kept_blobs, kept_layers = _referred(paths, entries)
    for chain_id, below in cached(paths).items():
        kept_layers |= {c[7:] for c in (chain_id, *below)}
    chains = ["sha256:" + name for name in _hex_names(paths.layers) if name not in kept_layers]
    names = _hex_names(paths.images + "/blobs/sha256")
    return chains, [name for name in names if name not in kept_blobs]


def _kept(paths: Paths) -> tuple[set[str], set[str]]:
    """The digits of the blobs and layers that images refer to."""
    return _referred(paths, read_index(paths))


def _referred(paths: Paths, entries: Iterable[Descriptor]) -> tuple[set[str], set[str]]:
    kept_blobs: set[str] = set()
    kept_layers: set[str] = set()
    for entry in entries:
        _mark(paths, entry.get("digest"), kept_blobs, kept_layers)
    return kept_blobs, kept_layers


def _collect(paths: Paths) -> list[str]:
    noted = unsettled.notes(paths)
    chains, digits = unneeded(paths, read_index(paths))
    deleted = [chain_id for chain_id in chains if layers.remove(paths, chain_id)]
    for name in digits:
        os.unlink(f"{paths.images}/blobs/sha256/{name}")
    gone = [name for name in noted if not _is_there(paths, *name.split("-"))]
    unsettled.settled(paths, gone)
    return deleted


def _is_there(paths: Paths, kind: str, digits: str) -> bool:
    where = paths.layers if kind == "layer" else paths.images + "/blobs/sha256"
    return os.path.lexists(f"{where}/{digits}")


def cached(paths: Paths) -> dict[str, list[str]]:
    """Chain ids of the layers that a build may want again, and of those below each."""
    found: dict[str, list[str]] = {}
    for name in _hex_names(paths.layers):
        try:
            with open(f"{paths.layers}/{name}/{CACHED}") as f:
                found["sha256:" + name] = f.read().split()
        except FileNotFoundError:
            continue
    return found


def _mark(paths: Paths, digest: str, kept_blobs: set[str], kept_layers: set[str]) -> None:
    """Everything the manifest or index `digest` refers to is kept."""
    hex_digits = parse_digest(digest)[7:]
    if hex_digits in kept_blobs:
        return
    value = _document(paths, digest)
    if value is None:
        return
    kept_blobs.add(hex_digits)
    for entry in _descriptors(value.get("manifests")):
        _mark(paths, entry["digest"], kept_blobs, kept_layers)
    config = _descriptors([value.get("config")])
    for entry in [*_descriptors(value.get("layers")), *config]:
        kept_blobs.add(parse_digest(entry["digest"])[7:])
    image = _document(paths, config[0]["digest"]) if config else None
    rootfs = image.get("rootfs") if image else None
    if isinstance(rootfs, dict) and fits(rootfs, {"diff_ids": [str]}):
        # else it is an artifact, which has no layers
        kept_layers.update(chain_id[7:] for chain_id in chain_ids(rootfs["diff_ids"]))


def _document(paths: Paths, digest: str) -> Mapping[str, object] | None:
    """The object in a blob, an empty one for what is none: a damaged blob is not in the way of
    removing others.  None: the store lacks it."""
    try:
        found: Mapping[str, object] = blobs.document(paths, digest, {str: object})
        return found
    except NotFound:
        return None
    except CrunpyError:
        return {}


def _descriptors(values: object) -> list[Descriptor]:
    found = values if isinstance(values, list) else []
    return [made for value in found if (made := blobs.descriptor(value))]


def _hex_names(directory: str) -> list[str]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return [name for name in names if len(name) == 64 and is_id_prefix(name)]


def give_back(paths: Paths) -> None:
    """The disk is full: what no image refers to is deleted at once."""
    with jsonfile.Lock(paths.images + "/.lock"):
        collect(paths)
