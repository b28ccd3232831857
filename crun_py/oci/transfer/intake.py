"""Bringing an image into the store, from a registry or an archive.

The story is `take`: manifest → platform → config → layers, several at a time, each
committed once those below it are → one syncfs(2) → the name in index.json.  Whatever
instant it is killed at, the store holds whole blobs, whole layers and the old names.
"""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from crun_py import jsonfile
from crun_py.errors import CrunpyError, ImageError, RegistryError
from crun_py.model.registry import Progress
from crun_py.oci.chain import chain_ids, diff_path, is_unpacked
from crun_py.oci.manifest import (
    DOCUMENT_LIMIT,
    Descriptor,
    Index,
    Manifest,
    check_platform,
    choose,
    host_platform,
    parse,
    parse_config,
)
from crun_py.oci.registry.fetch import Layer, delete_if_bad, fetch
from crun_py.oci.registry.flow import Work
from crun_py.oci.store import blobs, gc
from crun_py.oci.store.image import Image
from crun_py.oci.store.images import ImageStore
from crun_py.oci.store.layers import Limits
from crun_py.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.image import ImageDocument

_PARALLEL = 4
_INDEX_DEPTH = 3


Told = Callable[[Progress], object]
"""What is called with the progress of a pull or push."""


class Job:
    """What is the same for every registry that is tried, or every image of an archive.

    any_platform: an image for another one than `platform` is taken too.
    """

    def __init__(
        self,
        paths: Paths,
        platform: str,
        progress: Told | None,
        limits: Limits | None,
        *,
        any_platform: bool = False,
    ) -> None:
        self.paths = paths
        self.store = ImageStore(paths)
        self.platform = platform
        self.any_platform = any_platform
        self.limits = limits or Limits()
        self._progress = progress
        self._one_at_a_time = threading.Lock()

    def report(self, phase: str, digest: str = "", current: int = 0, total: int = 0) -> None:
        if self._progress:
            with self._one_at_a_time:
                self._progress(Progress(phase=phase, digest=digest, current=current, total=total))


class Source(Protocol):
    """Where images come from: a `Registry`, or a `source.Source`."""

    def manifest(self, reference: str) -> tuple[bytes, str]: ...
    def small_blob(self, digest: str, limit: int) -> bytes: ...
    def blob(self, digest: str, size: int) -> Iterator[bytes]: ...


def take(
    job: Job, source: Source, reference: str, names: list[str], *, made: bool = False
) -> Image:
    """Bring the image that `reference` (tag or digest) is in `source` into the store.

    names: full references that it gets; made: its manifest was written here.  Whatever
    happens, the store holds only whole and verified things.  Raises RegistryError,
    ImageError, CrunpyError.
    """
    paths = job.paths
    blobs.prepare(paths)
    gc.sweep(paths)
    try:
        with gc.pulling(paths):
            job.store.reserve()
            job.report("resolving")
            data, manifest, digest = resolve(source, reference, job.platform)
            config = _config(job, source, manifest)
            _layers(job, manifest, config, source.blob)
            blobs.put(paths, data)
            blobs.sync(paths)
            image = job.store.add(data, manifest.media_type, names, source=digest, made=made)
    except (CrunpyError, OSError) as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            gc.give_back(paths)
        elif isinstance(e, CrunpyError) and not isinstance(e, RegistryError):
            # the image is not for us: nothing of it is wanted.  After a registry's failure
            # what has come stays, for the next try
            with jsonfile.Lock(paths.images + "/.lock"):
                gc.collect(paths)
        raise
    gc.collect_if_wanted(paths)
    return image


def own(paths: Paths, image: Image) -> Image:
    """`image` as one of this store's own, unpacked: what only a manifest list has becomes one
    when it is used, so that it stays for as long as a container does."""
    if image.kept:
        return image
    from crun_py.oci.transfer.source import DirectoryFiles, Layout

    job = Job(paths, host_platform(), None, None, any_platform=True)
    take(job, Layout(DirectoryFiles(paths.images), "the store"), image.digest, [])
    image.kept = True
    return image


# ---- manifest and config ----


def resolve(source: Source, reference: str, platform: str) -> tuple[bytes, Manifest, str]:
    """(bytes of the manifest, the manifest, digest of what the reference itself names)

    reference: a tag or digest.  Raises ImageError, RegistryError.
    """
    wanted = reference if ":" in reference else ""
    data, content_type = source.manifest(reference)
    digest = _check_digest(data, wanted)
    found = parse(data, content_type=content_type)
    for _ in range(_INDEX_DEPTH):
        if isinstance(found, Manifest):
            return data, found, digest
        data, found = _descend(source, choose(found, platform))
    raise ImageError("reading the manifest: indexes within indexes within indexes")


def _descend(source: Source, chosen: Descriptor) -> tuple[bytes, Manifest | Index]:
    data, content_type = source.manifest(chosen.digest)
    _check_digest(data, chosen.digest)
    if len(data) != chosen.size:
        raise ImageError(f"reading the manifest: {len(data)} bytes, not {chosen.size}")
    return data, parse(data, content_type=content_type, expected=chosen.media_type)


def _check_digest(data: bytes, wanted: str) -> str:
    algorithm = wanted.partition(":")[0] or "sha256"
    found = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
    if wanted and found != wanted:
        raise ImageError(f"reading the manifest: its digest is {found[:19]}, not {wanted[:19]}")
    return found


def _config(job: Job, source: Source, manifest: Manifest) -> ImageDocument:
    config = manifest.config
    if blobs.has(job.paths, config.digest, config.size):
        data = blobs.read(job.paths, config.digest, DOCUMENT_LIMIT)
    else:
        data = source.small_blob(config.digest, DOCUMENT_LIMIT)
    check_config(data, config)
    value = parse_config(data, len(manifest.layers))
    if not job.any_platform:
        check_platform(value, job.platform)
    blobs.put(job.paths, data)
    return value


def check_config(data: bytes, config: Descriptor) -> None:
    """Raises ImageError unless `data` is what the descriptor `config` says."""
    if len(data) != config.size or "sha256:" + hashlib.sha256(data).hexdigest() != config.digest:
        raise ImageError(
            f"reading the image config {config.digest[:19]}: its digest is another one"
        )


def keep(job: Job, source: Source, reference: str) -> tuple[str, Manifest]:
    """Put the blobs of the image that `reference` is in `source` into the store, and no more:
    it gets no name and is not unpacked.  Its manifest's digest, and the manifest.

    The caller holds gc.pulling() until something refers to them.
    """
    data, manifest, _ = resolve(source, reference, job.platform)
    config = _config(job, source, manifest)
    _layers(job, manifest, config, source.blob, unpack=False)
    digest = blobs.put(job.paths, data)
    blobs.sync(job.paths)
    return digest, manifest


# ---- layers ----


def _layers(
    job: Job,
    manifest: Manifest,
    config: ImageDocument,
    download: Callable[[str, int], Iterator[bytes]],
    *,
    unpack: bool = True,
) -> None:
    """Fetch and unpack what is missing; commit each layer once those below it are there."""
    work = Work()
    layers = _plan(job, manifest, config, unpack=unpack)
    # a layer without one is in the store
    results: dict[str, Layer | None] = {}
    queue = [layer for layer in layers if layer is not None]

    def fetching() -> None:
        while True:
            work.check()
            with work.changed:
                if not queue:
                    return
                layer = queue.pop(0)
            try:
                fetch(job.paths, layer, work, download)
            except BaseException as e:
                delete_if_bad(job.paths, layer, e)
                if layer.stage:
                    layer.stage.discard()
                raise
            with work.changed:
                results[layer.chain_id] = layer
                work.changed.notify_all()

    pending = [layer for layer in layers if layer is not None]
    for n in range(min(_PARALLEL, len(pending))):
        work.start(f"layer {n}", fetching)
    chain = chain_ids(config["rootfs"]["diff_ids"])
    try:
        for layer in pending:
            with work.changed:
                while layer.chain_id not in results and work.error is None:
                    work.changed.wait()
            if work.error is not None:
                break
            below = chain[: chain.index(layer.chain_id)]
            if layer.stage is None:  # only its blob was missing
                continue
            layer.stage.unpacked(
                layer.chain_id, layer.diff_id, [diff_path(job.paths, c) for c in below]
            )
    except BaseException as e:
        work.stop(e)
    work.join()
    if work.error is not None:
        for layer in pending:
            if layer.stage:
                layer.stage.discard()
        raise work.error


def _plan(
    job: Job, manifest: Manifest, config: ImageDocument, *, unpack: bool
) -> list[Layer | None]:
    """One Layer for each that the store lacks, base first."""
    diff_ids: list[str] = config["rootfs"]["diff_ids"]
    plan: list[Layer | None] = []
    for blob, diff_id, chain_id in zip(manifest.layers, diff_ids, chain_ids(diff_ids), strict=True):
        unpacked = not unpack or is_unpacked(job.paths, chain_id)
        if unpacked and blobs.has(job.paths, blob.digest, blob.size):
            job.report("exists", blob.digest, blob.size, blob.size)
            plan.append(None)
            continue

        def report(phase: str, current: int, blob: Descriptor = blob) -> None:
            job.report(phase, blob.digest, current, blob.size)

        # one unpacked from a blob that was compressed in another way lacks this one, which
        # a push or save of this image will want
        plan.append(Layer(blob, diff_id, chain_id, job.limits, report, unpack=not unpacked))
    return plan
