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
from crun_py.errors import CrunpyError, ImageError, NotFound
from crun_py.oci.chain import digest_of
from crun_py.oci.reference import parse_digest
from crun_py.paths import Paths, private_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from crun_py.documents.image import Descriptor


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


def put(paths: Paths, data: bytes) -> str:
    """Store a small blob; returns its digest."""
    digest = digest_of(data)
    if not has(paths, digest, len(data)):
        with lock(paths, digest):
            jsonfile.write_bytes(blob_path(paths, digest), data, durable=False, mode=0o644)
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

    for directory in {
        os.stat(p).st_dev: p for p in (paths.images, paths.layers) if os.path.isdir(p)
    }.values():
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            check(lib.crunpy_syncfs(fd), directory)
        finally:
            os.close(fd)


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
    """The descriptors of index.json; none when there is no store yet."""
    try:
        found: list[Descriptor] = jsonfile.read(paths.images + "/index.json").get("manifests") or []
    except FileNotFoundError:
        return []
    return [entry for entry in found if isinstance(entry, dict)]
