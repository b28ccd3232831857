"""One layer on its way from a registry, or from its blob, to an unpacked stage.

Four things happen at once, each in a thread: bytes arrive, are hashed and kept as blob;
they are inflated; what comes out is hashed; and it is unpacked.  The pipes between them
hold a few pieces, so memory does not grow with the layer.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator

from crun_py.errors import Conflict, CrunpyError, ImageError
from crun_py.jsonfile import Lock
from crun_py.oci.manifest import Descriptor, compression
from crun_py.oci.registry.flow import Pipe, Work
from crun_py.oci.store import blobs
from crun_py.oci.store.inflate import inflate
from crun_py.oci.store.layers import Limits, Stage
from crun_py.oci.store.writer import Writer
from crun_py.paths import Paths

_PIECE_BYTES = 256 << 10
Report = Callable[[str, int], None]


class Layer:
    """What is to be unpacked, and what it must turn out to be.

    report: called with a phase ("downloading", "extracting", "done") and compressed bytes.
    unpack: False when only the blob is missing.
    """

    def __init__(
        self,
        blob: Descriptor,
        diff_id: str,
        chain_id: str,
        limits: Limits,
        report: Report,
        *,
        unpack: bool = True,
    ) -> None:
        self.blob = blob
        self.diff_id = diff_id
        self.chain_id = chain_id
        self.limits = limits
        self.report = report
        self.unpack = unpack
        self.stage: Stage | None = None

    @property
    def name(self) -> str:
        return self.blob.digest[:19]


def wait_for_lock(paths: Paths, digest: str, work: Work) -> Lock:
    """The entered lock of blob `digest`, waited for while the work has not failed."""
    while True:
        work.check()
        lock = blobs.lock(paths, digest, timeout_s=0)
        try:
            return lock.__enter__()
        except Conflict:
            time.sleep(0.02)


def fetch(
    paths: Paths, layer: Layer, work: Work, download: Callable[[str, int], Iterable[bytes]]
) -> None:
    """Put the blob of `layer` into the store and its files into layer.stage.

    download(digest, size): pieces from the registry, asked for only when the store lacks
    the blob.  Raises ImageError, RegistryError, CrunpyError; the stage is then discarded by
    the caller, and the store lacks the blob.
    """
    lock = wait_for_lock(paths, layer.blob.digest, work)
    try:
        if blobs.has(paths, layer.blob.digest, layer.blob.size):
            if layer.unpack:
                layer.report("extracting", 0)
                _unpack(paths, layer, work, _stored(paths, layer), None)
            return
        writer = Writer(paths, layer.blob.digest)
        try:
            pieces = download(layer.blob.digest, layer.blob.size)
            if layer.unpack:
                _unpack(paths, layer, work, pieces, writer)
            else:
                _keep(layer, work, pieces, writer)
        finally:
            writer.close()
    finally:
        lock.__exit__(None, None, None)


def _unpack(
    paths: Paths,
    layer: Layer,
    work: Work,
    pieces: Iterable[bytes],
    writer: Writer | None,
) -> None:
    stage = layer.stage = Stage(paths, limits=layer.limits)
    # a failure here stops the layer; the caller stops the rest
    mine = Work()
    packed, to_hash, to_unpack = Pipe(mine), Pipe(mine), Pipe(mine)
    diff = hashlib.sha256()

    def inflating() -> None:
        kind = compression(layer.blob.media_type)
        for data in inflate(kind, packed.get, layer.limits):
            to_hash.put(data)
            to_unpack.put(data)
        to_hash.end()
        to_unpack.end()

    def hashing() -> None:
        for data in to_hash:
            diff.update(data)

    def unpacking() -> None:
        for data in to_unpack:
            stage.feed(data)
        stage.finish()

    waiting: list[bytes] = []

    def hand_over() -> None:
        """The network's small pieces as one: fewer changes of threads."""
        if data := b"".join(waiting):
            waiting.clear()
            if writer:
                writer.write(data)
            packed.put(data)

    for function in (inflating, hashing, unpacking):
        mine.start(f"{function.__name__} {layer.name}", function)
    try:
        for data in _verified(layer, pieces):
            work.check()
            mine.check()
            waiting.append(data)
            if sum(map(len, waiting)) >= _PIECE_BYTES:
                hand_over()
        hand_over()
        packed.end()
    except BaseException as e:
        # the bytes are to blame before what was made of them: digest before tar
        mine.stop(e)
    mine.join()
    if mine.error:
        raise mine.error
    found = "sha256:" + diff.hexdigest()
    if found != layer.diff_id:
        raise ImageError(
            f"unpacking layer {layer.name}: its content is {found[:19]}, "
            f"the config says {layer.diff_id[:19]}"
        )
    if writer:
        writer.commit()
    layer.report("done", layer.blob.size)


def _keep(layer: Layer, work: Work, pieces: Iterable[bytes], writer: Writer) -> None:
    """Put the blob alone into the store."""
    for data in _verified(layer, pieces):
        work.check()
        writer.write(data)
    writer.commit()
    layer.report("done", layer.blob.size)


def _verified(layer: Layer, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """`pieces`, after the last of which size and digest have been checked."""
    digest = hashlib.sha256()
    size = 0
    for data in pieces:
        digest.update(data)
        size += len(data)
        layer.report("downloading", size)
        yield data
    if size != layer.blob.size:
        raise ImageError(f"reading layer {layer.name}: {size} of {layer.blob.size} bytes")
    if "sha256:" + digest.hexdigest() != layer.blob.digest:
        raise ImageError(f"reading layer {layer.name}: its digest is another one")


def _stored(paths: Paths, layer: Layer) -> Iterator[bytes]:
    """The pieces of the blob in the store; one that has rotted is deleted."""
    path = blobs.blob_path(paths, layer.blob.digest)
    try:
        with open(path, "rb", buffering=0) as f:
            while data := f.read(_PIECE_BYTES):
                yield data
    except OSError as e:
        raise CrunpyError.from_os(f"reading blob {layer.name}", e) from e


def delete_if_bad(paths: Paths, layer: Layer, error: BaseException) -> None:
    """A stored blob whose bytes are not what its name says must not be used again."""
    path = blobs.blob_path(paths, layer.blob.digest)
    if isinstance(error, ImageError) and os.path.exists(path):
        digest = hashlib.sha256()
        with open(path, "rb") as f:
            while data := f.read(_PIECE_BYTES):
                digest.update(data)
        if "sha256:" + digest.hexdigest() != layer.blob.digest:
            os.unlink(path)
