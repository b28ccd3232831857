"""One layer on its way from a registry, or from its blob, to an unpacked stage.

All at once, each in a thread: bytes arrive; they are hashed and kept as blob; they are
inflated; what comes out is hashed; it is unpacked; and what was unpacked is written out.  The
pipes between them hold a few pieces, so memory does not grow with the layer.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator

from crun_py.errors import Conflict, CrunpyError, ImageError
from crun_py.jsonfile import Lock
from crun_py.oci.manifest import Descriptor, compression
from crun_py.oci.registry.flow import Pipe, Settler, Stopped, Work
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
    settler = Settler(mine, stage.settle)
    keeper = _Keeper(layer, writer)

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
        try:
            for data in to_unpack:
                stage.feed(data)
                settler.fed(len(data))
            stage.finish()
        finally:
            settler.end()

    for function in (inflating, hashing, unpacking):
        mine.start(f"{function.__name__} {layer.name}", function)
    try:
        for data in _joined(layer, pieces):
            work.check()
            keeper.put(data)
            packed.put(data)
        keeper.finish()
        packed.end()
    except Stopped as e:
        mine.stop(e)
    except BaseException as e:
        # the bytes are to blame before what was made of them: digest before gzip and tar
        mine.stop(e)
        mine.error = e
    finally:
        keeper.close()
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
    keeper = _Keeper(layer, writer)
    try:
        for data in _joined(layer, pieces):
            work.check()
            keeper.put(data)
        keeper.finish()
    finally:
        keeper.close()
    writer.commit()
    layer.report("done", layer.blob.size)


def _joined(layer: Layer, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The network's small pieces as larger ones: fewer changes of threads."""
    waiting: list[bytes] = []
    held = size = 0
    for data in pieces:
        waiting.append(data)
        held += len(data)
        size += len(data)
        layer.report("downloading", size)
        if held >= _PIECE_BYTES:
            yield b"".join(waiting)
            waiting, held = [], 0
    if held:
        yield b"".join(waiting)


class _Keeper:
    """Hashes the bytes of a blob as they come, and writes them (writer None: the store has
    them), in a thread of its own, whatever becomes of those that unpack them."""

    def __init__(self, layer: Layer, writer: Writer | None) -> None:
        self._layer, self._writer = layer, writer
        self._work = Work()
        self._pipe = Pipe(self._work)
        self._digest = hashlib.sha256()
        self._size = 0
        self._work.start(f"keeping {layer.name}", self._run)

    def put(self, data: bytes) -> None:
        """The next bytes, not none.  Raises what the writer did."""
        self._check()
        try:
            self._pipe.put(data)
        except Stopped:
            self._check()

    def finish(self) -> None:
        """There are no more: raises ImageError unless size and digest are those of the blob, and
        what the writer did."""
        self._pipe.end()
        self._work.join()
        self._check()
        layer = self._layer
        if self._size != layer.blob.size:
            raise ImageError(f"reading layer {layer.name}: {self._size} of {layer.blob.size} bytes")
        if "sha256:" + self._digest.hexdigest() != layer.blob.digest:
            raise ImageError(f"reading layer {layer.name}: its digest is another one")

    def close(self) -> None:
        """Nothing is written any more."""
        self._work.stop(Stopped())
        self._work.join()

    def _check(self) -> None:
        if self._work.error:
            raise self._work.error

    def _run(self) -> None:
        for data in self._pipe:
            self._digest.update(data)
            self._size += len(data)
            if self._writer:
                self._writer.write(data)


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
