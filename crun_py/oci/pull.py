"""Pulling: from a reference to an image whose layers are unpacked in the store.

The story is `_pull_from`: manifest → platform → config → layers, several at a time, each
committed once those below it are → one syncfs(2) → the name in index.json.  Whatever
instant it is killed at, the store holds whole blobs, whole layers and the old names.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from typing import Any

from crun_py import jsonfile
from crun_py.errors import CrunpyError, ImageError, RegistryError
from crun_py.oci import blobs, gc
from crun_py.oci.access import Access
from crun_py.oci.chain import chain_ids, diff_path, is_unpacked
from crun_py.oci.fetch import Layer, delete_if_bad, fetch
from crun_py.oci.flow import Work
from crun_py.oci.layers import Limits
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
from crun_py.oci.reference import Reference
from crun_py.oci.registry import Registry
from crun_py.oci.store import Image, ImageStore
from crun_py.paths import Paths

__all__ = ["Event", "Progress", "host_platform", "pull", "unpack"]

_PARALLEL = 4
_INDEX_DEPTH = 3


class Event:
    """Progress of one blob.

    phase: "resolving", "exists", "downloading", "extracting" or "done"; digest: of the blob
    ("" for resolving); current, total: bytes as compressed.
    """

    __slots__ = ("current", "digest", "phase", "total")

    def __init__(self, phase: str, digest: str = "", current: int = 0, total: int = 0) -> None:
        self.phase = phase
        self.digest = digest
        self.current = current
        self.total = total


Progress = Callable[[Event], None]


class _Job:
    """What is the same for every registry that is tried."""

    def __init__(
        self,
        paths: Paths,
        platform: str,
        progress: Progress | None,
        limits: Limits | None,
    ) -> None:
        self.paths = paths
        self.store = ImageStore(paths)
        self.platform = platform
        self.limits = limits or Limits()
        self._progress = progress
        self._one_at_a_time = threading.Lock()

    def report(self, phase: str, digest: str = "", current: int = 0, total: int = 0) -> None:
        if self._progress:
            with self._one_at_a_time:
                self._progress(Event(phase, digest, current, total))


def pull(
    paths: Paths,
    text: str,
    *,
    platform: str | None = None,
    access: Access | None = None,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Image:
    """Fetch the image `text` into the store below `paths` and unpack its layers.

    platform: linux/ARCHITECTURE[/VARIANT], the host's when None; access: how to reach the
    registry; progress: called with Events, from several threads but never twice at once.
    Raises RegistryError, ImageError, InvalidArgument or CrunpyError, with the reference in
    the message.
    """
    access = access or Access()
    references = access.registries.candidates(text)
    job = _Job(paths, platform or host_platform(), progress, limits)
    for last, reference in _with_last(references):
        try:
            for endpoint in access.registries.endpoints(reference):
                try:
                    with access.open(endpoint) as registry:
                        return _pull_from(job, registry, reference)
                except RegistryError:
                    if not endpoint.is_mirror:
                        raise
        except CrunpyError as e:
            if last or not isinstance(e, RegistryError):
                raise _named(paths, reference, e) from e
        except OSError as e:
            raise _named(paths, reference, CrunpyError.from_os("writing the store", e)) from e
    raise RegistryError(f"pulling {text}: no registry to ask")


def _pull_from(job: _Job, registry: Registry, reference: Reference) -> Image:
    paths = job.paths
    blobs.prepare(paths)
    gc.sweep(paths)
    try:
        with gc.pulling(paths):
            job.store.reserve()
            job.report("resolving")
            data, manifest, source = _resolve(job, registry, reference)
            config = _config(job, registry, manifest)
            _layers(job, manifest, config, registry.blob)
            blobs.sync(paths)
            names = [
                str(reference.with_digest(reference.digest) if reference.digest else reference)
            ]
            image = job.store.add(data, manifest.media_type, names, source=source)
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


def unpack(
    paths: Paths,
    manifest: Manifest,
    config: dict[str, Any],
    *,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> None:
    """Unpack the layers of an image whose blobs are all in the store, and make them durable.

    Raises ImageError, NotFound or CrunpyError.  The caller holds gc.pulling().
    """
    _layers(_Job(paths, "", progress, limits), manifest, config, _no_download)
    blobs.sync(paths)


# ---- manifest and config ----


def _resolve(job: _Job, registry: Registry, reference: Reference) -> tuple[bytes, Manifest, str]:
    """(bytes of the manifest, the manifest, digest of what the reference itself names)"""
    wanted = reference.digest
    data, content_type = registry.manifest(wanted or reference.tag)
    source = _check_digest(data, wanted)
    found = parse(data, content_type=content_type)
    for _ in range(_INDEX_DEPTH):
        if isinstance(found, Manifest):
            return data, found, source
        data, found = _descend(registry, choose(found, job.platform))
    raise ImageError("reading the manifest: indexes within indexes within indexes")


def _descend(registry: Registry, chosen: Descriptor) -> tuple[bytes, Manifest | Index]:
    data, content_type = registry.manifest(chosen.digest)
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


def _config(job: _Job, registry: Registry, manifest: Manifest) -> dict[str, Any]:
    config = manifest.config
    if blobs.has(job.paths, config.digest, config.size):
        data = blobs.read(job.paths, config.digest, DOCUMENT_LIMIT)
    else:
        data = registry.small_blob(config.digest, DOCUMENT_LIMIT)
    if len(data) != config.size or "sha256:" + hashlib.sha256(data).hexdigest() != config.digest:
        raise ImageError(
            f"reading the image config {config.digest[:19]}: its digest is another one"
        )
    value = parse_config(data, len(manifest.layers))
    check_platform(value, job.platform)
    blobs.put(job.paths, data)
    return value


# ---- layers ----


def _layers(
    job: _Job,
    manifest: Manifest,
    config: dict[str, Any],
    download: Callable[[str, int], Any],
) -> None:
    """Fetch and unpack what is missing; commit each layer once those below it are there."""
    work = Work()
    layers = _plan(job, manifest, config)
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
            assert layer.stage is not None
            layer.stage.commit(
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


def _plan(job: _Job, manifest: Manifest, config: dict[str, Any]) -> list[Layer | None]:
    """One Layer for each that the store lacks, base first."""
    diff_ids: list[str] = config["rootfs"]["diff_ids"]
    plan: list[Layer | None] = []
    for blob, diff_id, chain_id in zip(manifest.layers, diff_ids, chain_ids(diff_ids), strict=True):
        if is_unpacked(job.paths, chain_id):
            job.report("exists", blob.digest, blob.size, blob.size)
            plan.append(None)
            continue

        def report(phase: str, current: int, blob: Descriptor = blob) -> None:
            job.report(phase, blob.digest, current, blob.size)

        plan.append(Layer(blob, diff_id, chain_id, job.limits, report))
    return plan


def _no_download(digest: str, size: int) -> Any:
    raise ImageError(f"reading blob {digest[:19]}: it is not in the store")


# ---- the rest ----


def _named(paths: Paths, reference: Reference, error: CrunpyError) -> CrunpyError:
    """`error` with what it happened to in front."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        cause = os.strerror(error.errno).lower()
        hint = f"free some space where {paths.root} is: crunpy rmi, crunpy rm"
        return CrunpyError(f"pulling {reference}: {cause}", hint=hint, errno=error.errno)
    if error.message.startswith("pulling "):
        return error
    return type(error)(f"pulling {reference}: {error.message}", hint=error.hint, errno=error.errno)


def _with_last(references: list[Reference]) -> list[tuple[bool, Reference]]:
    return [(n == len(references) - 1, r) for n, r in enumerate(references)]
