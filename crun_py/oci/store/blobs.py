"""The blobs of the store: files named by the digest of what is in them.

A blob is written to `images/.staging/`, under a lock per digest, and renamed when its
digest has been checked: so a blob that has a name is whole, and two commands never fetch
the same one at once.
"""

from __future__ import annotations

import errno
import fcntl
import os

from crun_py import jsonfile
from crun_py.errors import CorruptState, CrunpyError, ImageError, InvalidArgument, NotFound
from crun_py.oci.chain import digest_of
from crun_py.oci.reference import parse_digest
from crun_py.oci.store import unsettled
from crun_py.paths import Paths, private_dir
from crun_py.shapes import fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from crun_py.documents.image import Descriptor


_DOCUMENT_BYTES = 4 << 20
_PIECE = 1 << 20


def blob_path(paths: Paths, digest: str) -> str:
    """The file of the blob `digest` (validated), whether it exists or not."""
    algorithm, _, digits = parse_digest(digest).partition(":")
    return f"{paths.images}/blobs/{algorithm}/{digits}"


def has(paths: Paths, digest: str, size: int = -1) -> bool:
    """Whether blob `digest` is in the store, with `size` bytes unless that is negative."""
    try:
        found = os.stat(blob_path(paths, digest))
    except FileNotFoundError:
        return False
    return size < 0 or found.st_size == size


def read(paths: Paths, digest: str, limit: int) -> bytes:
    """The content of a small blob, of at most `limit` bytes.

    Raises NotFound, or CrunpyError naming the blob.
    """
    try:
        with open(blob_path(paths, digest), "rb") as f:
            data = f.read(limit + 1)
    except FileNotFoundError as e:
        raise NotFound(f"reading blob {digest}: it is not in the store") from e
    except OSError as e:
        raise CrunpyError.from_os(f"reading blob {digest}", e) from e
    if len(data) > limit:
        raise ImageError(f"reading blob {digest}: larger than {limit} bytes")
    return data


def document(paths: Paths, digest: str, shape: object) -> Any:
    """The JSON in a small blob, of the `shape` (shapes.py).

    Raises NotFound, or CrunpyError naming the blob.
    """
    try:
        value = jsonfile.loads(read(paths, digest, _DOCUMENT_BYTES))
    except ValueError:
        value = None
    if not fits(value, shape):
        raise CorruptState(
            f"reading blob {digest}: it is damaged", hint="crunpy system check --repair"
        )
    return value


def put(paths: Paths, data: bytes, *, durable: bool = False) -> str:
    """Store a small blob; returns its digest.  durable: at once, else `sync` does that."""
    digest = digest_of(data)
    if durable or not has(paths, digest, len(data)):
        with lock(paths, digest):
            if not durable:
                unsettled.note(paths, "blob", digest)
            jsonfile.write_bytes(blob_path(paths, digest), data, durable=durable, mode=0o644)
    return digest


def prepare(paths: Paths) -> None:
    """Create the directories and the marker file of an OCI image layout."""
    for directory in ("/blobs/sha256", "/.staging"):
        private_dir(paths.images + directory)
    marker = paths.images + "/oci-layout"
    if not os.path.exists(marker):
        with jsonfile.Lock(paths.images + "/.lock"):
            jsonfile.write(marker, {"imageLayoutVersion": "1.0.0"})


def lock(paths: Paths, digest: str, *, timeout_s: float | None = None) -> jsonfile.Lock:
    """The right to write blob `digest`; Conflict when `timeout_s` is over."""
    name = parse_digest(digest).rpartition(":")[2]
    return jsonfile.Lock(f"{paths.images}/.staging/{name}.lock", timeout_s=timeout_s)


def sync(paths: Paths) -> None:
    """Blobs and layers are on the disk before a name points to them."""
    from crun_py._native import check, lib

    written = unsettled.notes(paths)
    for directory in {
        os.stat(p).st_dev: p for p in (paths.images, paths.layers) if os.path.isdir(p)
    }.values():
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            check(lib.crunpy_syncfs(fd), directory)
        finally:
            os.close(fd)
    unsettled.settled(paths, written)


def is_whole(paths: Paths, digest: str) -> bool:
    """Whether a blob is what its name says; one that is removed just now is."""
    import hashlib

    made = hashlib.sha256()
    try:
        fd = os.open(blob_path(paths, digest), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # a link, or something that cannot be read
    with open(fd, "rb") as file:
        try:
            while piece := file.read(_PIECE):
                made.update(piece)
        except OSError:
            return False  # a directory, a bad disk
    return digest == "sha256:" + made.hexdigest()


def sweep(paths: Paths) -> int:
    """Delete what dead processes left of blobs; returns how many files that were."""
    swept = 0
    try:
        names = os.listdir(paths.images + "/.staging")
    except FileNotFoundError:
        return 0
    for name in names:
        if name.endswith(".lock") and _sweep_one(f"{paths.images}/.staging/{name[:-5]}"):
            swept += 1
    return swept


def _sweep_one(stem: str) -> bool:
    try:
        fd = os.open(stem + ".lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        swept = os.path.exists(stem + ".part")
        if swept:
            os.unlink(stem + ".part")
        # whoever waits for the lock sees that its file has gone and takes a new one
        os.unlink(stem + ".lock")
    except OSError as e:
        if e.errno not in (errno.EWOULDBLOCK, errno.ENOENT):
            raise
        return False
    finally:
        os.close(fd)
    return swept


def read_index(paths: Paths) -> list[Descriptor]:
    """The descriptors of index.json; none when there is no store yet.

    Other tools write there too: what leads to no blob is passed over, and so is what a
    descriptor says in another form than the specification has it.  Raises CorruptState.
    """
    try:
        found = jsonfile.read(paths.images + "/index.json", _INDEX)
    except FileNotFoundError:
        return []
    except CorruptState as e:
        raise CorruptState(e.message, hint="crunpy system check --repair makes it anew") from e
    return [made for entry in found.get("manifests") or [] if (made := descriptor(entry))]


_INDEX = {"manifests?": (None, [object])}
_FIELDS: dict[str, object] = {
    "mediaType": str, "size": int, "annotations": {str: str}, "platform": {str: object},
}  # fmt: skip


def descriptor(value: object) -> Descriptor | None:
    """What the JSON `value` says as a descriptor; None where it names no blob."""
    if not isinstance(value, dict) or not fits(value, {"digest": str}):
        return None
    try:
        parse_digest(value["digest"])
    except InvalidArgument:
        return None
    found = {k: v for k, v in value.items() if k not in _FIELDS or fits(v, _FIELDS[k])}
    made: Descriptor = {"digest": value["digest"], "size": 0}
    made.update(found)  # type: ignore[typeddict-item]
    return made
