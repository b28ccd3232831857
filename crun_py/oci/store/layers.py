"""Unpacked layers: `layers/<chain id>/diff`, read-only and shared.

A layer is unpacked in `layers/.staging-*`, whose `owner` file is locked by the process
that works on it, fixed up once the layers below it are in place, and committed with one
rename.  So what has a name is whole, and a stage whose lock is free is rubbish.
"""

from __future__ import annotations

import errno
import fcntl
import os

from crun_py import jsonfile
from crun_py._native import check, ffi, lib
from crun_py.errors import CrunpyError, ImageError, Unsupported
from crun_py.oci.chain import layer_directory
from crun_py.oci.store import lower, unsettled
from crun_py.paths import Paths, has_one_id, in_user_namespace, private_dir
from crun_py.tree import DIRECTORY, remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

STAGE = ".staging-"
_IDS_HINT = (
    "add a range for this user to /etc/subuid and /etc/subgid, such as "
    "NAME:100000:65536, and install newuidmap (package uidmap)"
)


class Limits:
    """What one layer may unpack to before it is taken for a bomb.

    bytes, entries: absolute; ratio: unpacked to compressed size, counted beyond 1 GiB.
    """

    __slots__ = ("bytes", "entries", "ratio")

    def __init__(
        self, *, bytes: int = 256 << 30, entries: int = 4_000_000, ratio: int = 2000
    ) -> None:
        self.bytes = bytes
        self.entries = entries
        self.ratio = ratio


class Place:
    """A layer on its way into the store: the directory `path`/diff, which nobody else works on.

    commit() once it is whole and the layers below are in place; or discard() at any time.
    """

    def __init__(self, paths: Paths) -> None:
        private_dir(paths.layers)
        self._paths = paths
        self.path = f"{paths.layers}/{STAGE}{os.urandom(8).hex()}"
        self._root = self._owner = -1
        try:
            with _stages(paths):
                os.mkdir(self.path, 0o700)
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._owner = os.open(self.path + "/owner", flags, 0o600)
                fcntl.flock(self._owner, fcntl.LOCK_EX)
            os.mkdir(self.path + "/diff", 0o755)
            self._root = os.open(self.path + "/diff", DIRECTORY)
        except OSError as e:
            self.discard()
            raise CrunpyError.from_os("making a layer", e) from e

    @property
    def tree(self) -> str:
        """The layer's directory."""
        return self.path + "/diff"

    def commit(self, chain_id: str, diff_id: str, size: int) -> None:
        """Give the layer its name; if it has come to be meanwhile, drop this one.

        size: bytes of file content.
        """
        target = layer_directory(self._paths, chain_id)
        try:
            about = {"schema": 1, "diff_id": diff_id, "size": size}
            jsonfile.write(self.path + "/layer.json", about, durable=False)
            unsettled.note(self._paths, "layer", chain_id)
            os.rename(self.path, target)
            os.unlink(target + "/owner")
        except OSError as e:
            if e.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise CrunpyError.from_os("making a layer", e) from e
        finally:
            self.discard()

    def discard(self) -> None:
        """Let go of everything; what was not committed is deleted."""
        for fd in (self._root, self._owner):
            if fd >= 0:
                os.close(fd)
        if self._owner >= 0 and os.path.isdir(self.path):
            remove_tree(self.path)
        self._root = self._owner = -1


class Stage(Place):
    """A layer that an archive is unpacked into.  One process at a time; feed from one thread.

    feed() the uncompressed tar in pieces of any size, then finish(), then unpacked() once
    the layers below are in place; or discard() at any time.
    """

    def __init__(self, paths: Paths, *, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self._untar = ffi.NULL
        self._fixups = b""
        self.size = 0
        super().__init__(paths)
        flags = lib.UNTAR_USERNS if in_user_namespace() else 0
        flags |= lib.UNTAR_ONE_ID if has_one_id() else 0
        self._untar = lib.crunpy_untar_new(self._root, flags, limits.bytes, limits.entries)
        if self._untar == ffi.NULL:
            self.discard()
            raise CrunpyError("unpacking a layer: cannot allocate memory", errno=errno.ENOMEM)

    def feed(self, data: bytes) -> None:
        """Unpack the next bytes of the tar.  Raises ImageError, Unsupported or CrunpyError."""
        self._check(lib.crunpy_untar_feed(self._untar, data, len(data)))

    def settle(self) -> None:
        """Write out what has been unpacked so far; another thread may do that meanwhile.

        Raises CrunpyError: the kernel tells an error of the disk once, perhaps here.
        """
        try:
            check(lib.crunpy_syncfs(self._root), "syncfs")
        except OSError as e:
            raise CrunpyError.from_os("unpacking a layer", e) from e

    def finish(self) -> None:
        """The tar has ended: raises as feed() does, also when it ended too early."""
        self._check(lib.crunpy_untar_finish(self._untar))
        self.size = lib.crunpy_untar_bytes(self._untar)
        length = ffi.new("size_t *")
        data = lib.crunpy_untar_fixups(self._untar, length)
        self._fixups = ffi.buffer(data, length[0])[:]
        self._free()

    def unpacked(self, chain_id: str, diff_id: str, below: Sequence[str]) -> None:
        """Commit the finished layer.

        below: trees of the layers below, base first, all in the store.
        """
        try:
            lower.apply(self._fixups, self._root, below)
        except OSError as e:
            self.discard()
            raise CrunpyError.from_os("unpacking a layer", e) from e
        except BaseException:
            self.discard()
            raise
        self.commit(chain_id, diff_id, self.size)

    def discard(self) -> None:
        """Let go of everything; what was not committed is deleted."""
        self._free()
        super().discard()

    def _free(self) -> None:
        if self._untar != ffi.NULL:
            lib.crunpy_untar_free(self._untar)
            self._untar = ffi.NULL

    def _check(self, result: int) -> None:
        if result >= 0:
            return
        text = ffi.string(lib.crunpy_untar_error(self._untar)).decode(errors="backslashreplace")
        why = "unpacking a layer: " + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
        if -result in (errno.EBADMSG, errno.E2BIG):
            raise ImageError(why, errno=-result)
        if -result == errno.EOVERFLOW:
            raise Unsupported(
                why + ": needs more ids: /etc/subuid", hint=_IDS_HINT, errno=errno.EINVAL
            )
        cause = os.strerror(-result)
        raise CrunpyError(why.replace(cause, cause.lower()), errno=-result)


def remove(paths: Paths, chain_id: str) -> bool:
    """Delete layer `chain_id`; False when it was not there.

    It loses its name first, so that a half-deleted layer is never seen.
    """
    trash = f"{paths.layers}/{STAGE}{os.urandom(8).hex()}"
    try:
        os.rename(layer_directory(paths, chain_id), trash)
    except FileNotFoundError:
        return False
    remove_tree(trash)
    return True


def sweep(paths: Paths) -> int:
    """Delete what dead processes left half done; returns how many stages that were."""
    if not os.path.isdir(paths.layers):
        return 0
    dead: list[tuple[str, int]] = []
    with _stages(paths):
        for name in os.listdir(paths.layers):
            path = f"{paths.layers}/{name}"
            if name.startswith(STAGE) and (owner := _lock_dead(path)) is not None:
                dead.append((path, owner))
    for path, owner in dead:
        try:
            remove_tree(path)
        finally:
            if owner >= 0:
                os.close(owner)
    return len(dead)


def _stages(paths: Paths) -> jsonfile.Lock:
    """Held while a stage is between its mkdir(2) and its owner's lock."""
    return jsonfile.Lock(paths.layers + "/.lock")


def _lock_dead(path: str) -> int | None:
    """The lock of a stage that nobody works on (-1: it has none), None while somebody does."""
    try:
        owner = os.open(path + "/owner", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return -1
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(owner)
        return None
    return owner
