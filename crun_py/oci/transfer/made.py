"""Images made here: a layer from an archive, and the config and manifest around it.

The archive is hashed, unpacked, compressed and written as a blob in one go, each in a thread;
what a killed command leaves is swept like what a killed pull leaves.
"""

from __future__ import annotations

import errno
import os

from crun_py import jsonfile
from crun_py.errors import CrunpyError
from crun_py.oci.causes import named
from crun_py.oci.chain import chain_ids, diff_path, is_unpacked
from crun_py.oci.manifest import DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST
from crun_py.oci.store import blobs, gc
from crun_py.oci.store.image import Image
from crun_py.oci.store.images import ImageStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from crun_py.documents.image import Descriptor, ImageAbout, ImageDocument, Manifest, RootFs
    from crun_py.paths import Paths

    Write = Callable[[bytes], None]

_TYPES = {
    "oci": (OCI_MANIFEST, OCI_CONFIG, "application/vnd.oci.image.layer.v1.tar+gzip"),
    "docker": (
        DOCKER_MANIFEST,
        DOCKER_CONFIG,
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
}


_PIECE_BYTES = 256 << 10


class _Layer:
    """A layer on its way from an archive into the store."""

    def __init__(self, paths: Paths) -> None:
        import hashlib

        from crun_py.oci.registry.flow import Pipe, Settler, Work
        from crun_py.oci.store.layers import Stage
        from crun_py.oci.store.writer import Part

        self._paths = paths
        stem = f"{paths.images}/.staging/{os.urandom(32).hex()}"
        self._lock = jsonfile.Lock(stem + ".lock")
        self._lock.__enter__()
        self._part = Part(paths, stem + ".part", "writing the store")
        self._plain, self._packed = hashlib.sha256(), hashlib.sha256()
        self._stage = Stage(paths)
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._work = work = Work()
        self._to_hash, self._to_unpack = Pipe(work), Pipe(work)
        self._to_pack, self._to_keep = Pipe(work), Pipe(work)
        self._settler = Settler(work, self._stage.settle)
        for name in ("hash", "unpack", "compress", "keep"):
            work.start(name, getattr(self, "_" + name))
        self.diff_id = self.digest = ""

    @property
    def size(self) -> int:
        """Bytes of the blob so far."""
        return self._part.size

    def write(self, data: bytes) -> None:
        """The next bytes of the archive.  Raises Stopped when a thread has failed."""
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _PIECE_BYTES:
            self._pass_on()

    def _pass_on(self) -> None:
        data = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        if data:
            self._work.check()
            for pipe in (self._to_hash, self._to_unpack, self._to_pack):
                pipe.put(data)

    # each of these runs in a thread

    def _hash(self) -> None:
        for data in self._to_hash:
            self._plain.update(data)

    def _unpack(self) -> None:
        try:
            for data in self._to_unpack:
                self._stage.feed(data)
                self._settler.fed(len(data))
            self._stage.finish()
        finally:
            self._settler.end()

    def _compress(self) -> None:
        from crun_py.oci.store.inflate import gzip_compressor

        compressor = gzip_compressor()
        for data in self._to_pack:
            if packed := compressor.compress(data):
                self._to_keep.put(packed)
        self._to_keep.put(compressor.flush())
        self._to_keep.end()

    def _keep(self) -> None:
        for data in self._to_keep:
            self._packed.update(data)
            self._part.write(data)

    def finish(self) -> None:
        """The archive is complete: the blob gets its name."""
        self._pass_on()
        for pipe in (self._to_hash, self._to_unpack, self._to_pack):
            pipe.end()
        self._work.join()
        if self._work.error:
            raise self._work.error
        self.diff_id = "sha256:" + self._plain.hexdigest()
        self.digest = "sha256:" + self._packed.hexdigest()
        with blobs.lock(self._paths, self.digest):
            self._part.rename(self.digest)

    @property
    def error(self) -> BaseException | None:
        """Why the thread has failed."""
        return self._work.error

    def commit(self, below: list[str]) -> None:
        """Name the unpacked layer; below: the diff ids of the layers under it."""
        chain = chain_ids([*below, self.diff_id])
        if not is_unpacked(self._paths, chain[-1]):
            trees = [diff_path(self._paths, c) for c in chain[:-1]]
            self._stage.unpacked(chain[-1], self.diff_id, trees)

    def close(self) -> None:
        """Let go of everything; what was not committed is deleted."""
        from crun_py.oci.registry.flow import Stopped

        self._work.stop(Stopped())
        self._work.join()
        self._stage.discard()
        self._part.close()
        if os.path.lexists(self._lock.path):
            os.unlink(self._lock.path)
        self._lock.__exit__(None, None, None)


def add(
    paths: Paths,
    config: ImageAbout,
    fill: Callable[[Write], None],
    names: list[str],
    *,
    base: Image | None = None,
    form: str = "oci",
    doing: str,
) -> Image:
    """Add an image with one new layer on top of those of `base`.

    config: the image config but for `rootfs` (image-spec, config.md); fill: writes the new
    layer's archive with the function that it is given; names: full references; doing: what
    errors say of it, `importing FILE`.  Raises CrunpyError.
    """
    try:
        return _add(paths, config, fill, names, base, form)
    except (CrunpyError, OSError) as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            gc.give_back(paths)
        error = e if isinstance(e, CrunpyError) else CrunpyError.from_os("writing the store", e)
        raise named(paths, doing, error) from e


def _add(
    paths: Paths,
    config: ImageAbout,
    fill: Callable[[Write], None],
    names: list[str],
    base: Image | None,
    form: str,
) -> Image:
    layer_type = _TYPES[form][2]
    blobs.prepare(paths)
    gc.sweep(paths)
    with gc.pulling(paths):
        store = ImageStore(paths)
        store.reserve()
        layer = _Layer(paths)
        try:
            _fill(layer, fill)
            below = list(base.config["rootfs"]["diff_ids"]) if base else []
            layer.commit(below)
        finally:
            layer.close()
        layers = below_of(paths, base, form)
        layers.append({"mediaType": layer_type, "digest": layer.digest, "size": layer.size})
        rootfs: RootFs = {"type": "layers", "diff_ids": [*below, layer.diff_id]}
        whole: ImageDocument = {**config, "rootfs": rootfs}
        data = jsonfile.dumps(whole).encode()
        return put(paths, data, layers, names, form=form)


def put(
    paths: Paths,
    config: bytes,
    layers: list[Descriptor],
    names: list[str],
    *,
    form: str = "oci",
    annotations: dict[str, str] | None = None,
    built: bool = False,
) -> Image:
    """Add the image with the config document `config` and `layers` (descriptors of blobs,
    base first), whose trees are in the store.  built: its own layers have no blobs yet, and a
    registry gets them compressed."""
    blobs.prepare(paths)
    manifest_type, config_type, _ = _TYPES[form]
    manifest: Manifest = {
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": {
            "mediaType": config_type,
            "digest": blobs.put(paths, config),
            "size": len(config),
        },
        "layers": layers,
    }
    if annotations:
        manifest["annotations"] = annotations
    data = jsonfile.dumps(manifest).encode()
    digest = blobs.put(paths, data)
    if not any(entry["digest"] == digest for entry in blobs.read_index(paths)):
        blobs.sync(paths)  # else that was done when it was taken in
    return ImageStore(paths).add(data, manifest_type, names, made=built)


def _fill(layer: _Layer, fill: Callable[[Write], None]) -> None:
    from crun_py.oci.registry.flow import Stopped

    try:
        fill(layer.write)
        layer.finish()
    except Stopped:
        assert layer.error is not None
        raise layer.error from None


def below_of(paths: Paths, base: Image | None, form: str) -> list[Descriptor]:
    """The descriptors of the base's layers, of the media types that an image of `form` has."""
    if base is None:
        return []
    layer_type = _TYPES[form][2]
    value: Manifest = blobs.document(paths, base.digest, {"layers": [{"digest": str}]})
    docker = ".docker." in layer_type
    found: list[Descriptor] = []
    for entry in value["layers"]:
        kind = entry.get("mediaType", "")
        if docker != (".docker." in kind):
            plain = kind.replace("+", ".").rpartition(".tar")[2]
            stem = layer_type.partition(".tar")[0] + ".tar"
            kind = stem + (plain if docker else plain.replace(".", "+"))
        found.append({"mediaType": kind, "digest": entry["digest"], "size": entry["size"]})
    return found
