"""A container's root file system, mounted for this process instead of for its container.

The caller is root, perhaps in a user namespace, and has a mount namespace of its own unless
the mount is to be seen by all.  mount(2); Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os

from crun_py._native import check, ffi, lib
from crun_py.errors import CrunpyError
from crun_py.overlay.whiteout import holds_no_overlay
from crun_py.paths import in_user_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from crun_py.documents.container import MountEntry
    from crun_py.overlay.rootfs import RootFs

_MS_NOSUID = 2
_MS_RDONLY, _MS_NODEV, _MS_REMOUNT, _MS_RELATIME = 1, 4, 32, 1 << 21
_MS_BIND, _MS_REC, _MS_SLAVE = 0x1000, 0x4000, 1 << 19
_CLONE_NEWNS = 0x20000
_MNT_DETACH = 2
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def own_namespace() -> None:
    """From here on nothing that this process mounts is seen by others."""
    check(lib.crunpy_unshare(_CLONE_NEWNS), "unshare")
    _mount("none", "/", "", _MS_REC | _MS_SLAVE)


def overlay(root: RootFs, where: str, userns: int = -1) -> None:
    """Mount `root` on the directory `where`; userns: its lower layers show the ids of that.

    Raises CrunpyError.
    """

    def opened() -> Iterator[int]:
        for path in root.lowers:
            yield os.open(path, _DIRECTORY) if userns < 0 else _with_ids(path, where, userns)
        # the writable layer holds the ids as they are outside: what the mounter makes in it
        # must be mapped too
        for path in (root.upper, root.work):
            yield os.open(path, _DIRECTORY)

    def options(names: list[str]) -> str:
        *lowers, upper, work = names
        own = [root.options] if root.options else []
        own += [f"lowerdir={':'.join(lowers)}", f"upperdir={upper}", f"workdir={work}"]
        return ",".join(own)

    _overlay(where, _MS_NODEV, opened(), options)


def layers(trees: list[str], where: str) -> None:
    """Show `trees` (topmost first) merged on the directory `where`, read-only.

    Raises CrunpyError.
    """
    if holds_no_overlay(trees[0]):
        from crun_py.overlay import copied

        _read_only(copied.whole(trees[::-1]), where)
        return
    # overlay wants two at least; the empty directory that is mounted on is as good as any
    paths = trees if len(trees) > 1 else [*trees, where]
    user = ",userxattr" if in_user_namespace() else ""
    _overlay(
        where,
        _MS_NODEV | _MS_RDONLY,
        (os.open(path, _DIRECTORY) for path in paths),
        lambda names: f"lowerdir={':'.join(names)}{user}",
    )


def root_of(trees: list[str], where: str) -> int:
    """The root directory of `trees` (topmost first), merged: an O_PATH descriptor.

    where: an empty directory: they are mounted there for this process alone.  Raises CrunpyError.
    """
    own_namespace()
    layers(trees, where)
    return os.open(where, _DIRECTORY)


def _read_only(tree: str, where: str) -> None:
    try:
        bind(tree, where)
        make_read_only(where)
    except OSError as e:
        raise CrunpyError.from_os(f"mounting the layers on {where}", e) from e


def _overlay(
    where: str, flags: int, layers: Iterable[int], options: Callable[[list[str]], str]
) -> None:
    """An overlay of directories named by descriptor, as the core helper does it: mount(2)
    takes one page of options.  Closes the descriptors; `options` is given their names."""
    fds: list[int] = []
    try:
        for fd in layers:
            fds.append(fd)
        os.chdir("/proc/self/fd")
        _mount("overlay", where, "overlay", flags, options(list(map(str, fds))))
    except OSError as e:
        raise CrunpyError.from_os(f"mounting the layers on {where}", e) from e
    finally:
        os.chdir("/")
        for fd in fds:
            os.close(fd)


def _with_ids(path: str, where: str, userns: int) -> int:
    """The directory `path` on a mount that shows the ids of `userns`.

    It is attached on `where`, for overlay takes only layers from the namespace it is mounted
    in; what is mounted there next hides it.
    """
    tree = check(lib.crunpy_clone_tree(-1, os.fsencode(path), 0), path)
    check(lib.crunpy_idmap(tree, userns, False), path)
    check(lib.crunpy_attach(tree, os.fsencode(where)), path)
    return tree


def bind(source: str, where: str) -> None:
    """Show `source` and what is mounted below it at `where`.  Raises OSError."""
    _mount(source, where, "", _MS_BIND | _MS_REC)


def memory(where: str) -> None:
    """A tmpfs that only its owner may enter, on the directory `where`.  Raises OSError."""
    _mount("tmpfs", where, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0700")


def make_read_only(where: str) -> None:
    """The mount on `where`, and no other one, takes no writes any more.  Raises OSError."""
    has = os.statvfs(where).f_flag
    # what a user namespace inherited must be said again (mount_namespaces(7), locked flags)
    kept = has & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME)
    kept |= _MS_RELATIME if has & os.ST_RELATIME else 0
    _mount("none", where, "", _MS_BIND | _MS_REMOUNT | _MS_RDONLY | kept)


class Volumes:
    """The volumes and binds of a container's record, shown below the root open as `root`, which
    is mounted on `where`.

    Destinations are made, as a start does it, but only until `close`: one volume does not get
    the mount points of others.  What has no source is left out.
    """

    def __init__(self, root: int, where: str, mounts: list[MountEntry]) -> None:
        self._where = where
        self._mounted: list[str] = []
        self._made: list[tuple[int, str, bool]] = []
        for entry in sorted(mounts, key=lambda m: str(m["destination"]).count("/")):
            self._show(root, entry)

    def _show(self, root: int, entry: MountEntry) -> None:
        path = entry["destination"]
        try:
            self._make(root, path, directory=os.path.isdir(entry["source"]))
            with _named(root, path) as target:
                bind(entry["source"], target)
        except (FileNotFoundError, FileExistsError, NotADirectoryError):
            return
        self._mounted.append(path)
        # what is written through an overlay is not for the directory below it
        if not entry["rw"] or entry.get("overlay"):
            with _named(root, path) as target:
                make_read_only(target)

    def _make(self, root: int, path: str, *, directory: bool) -> None:
        """Make what is missing of `path`, never through a link that leads nowhere."""
        parts = path.strip("/").split("/")
        for n, name in enumerate(parts):
            fd = lib.crunpy_open_in_root(root, os.fsencode("/".join(parts[: n + 1])), os.O_PATH)
            if fd >= 0:
                os.close(fd)
                continue
            above = check(
                lib.crunpy_open_in_root(root, os.fsencode("/".join(parts[:n])), _DIRECTORY), path
            )
            inner = directory or n < len(parts) - 1
            self._made.append((above, name, inner))
            if inner:
                os.mkdir(name, 0o755, dir_fd=above)
            else:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(name, flags, 0o644, dir_fd=above))

    def close(self) -> None:
        """Take them down, and the mount points that were made for them."""
        for path in reversed(self._mounted):
            lib.crunpy_umount(os.fsencode(self._where + path), _MNT_DETACH)
        for above, name, directory in reversed(self._made):
            try:
                (os.rmdir if directory else os.unlink)(name, dir_fd=above)
            except OSError:
                continue  # somebody has put something there
            finally:
                os.close(above)


class _named:
    """A name for what `path` now is below `root`, for a `with`.  Raises OSError."""

    def __init__(self, root: int, path: str) -> None:
        self._fd = check(lib.crunpy_open_in_root(root, os.fsencode(path), os.O_PATH), path)

    def __enter__(self) -> str:
        return f"/proc/self/fd/{self._fd}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def is_mounted(where: str) -> bool:
    """Whether something is mounted on the directory `where`; False when it is absent.

    Also a directory of the same file system, which os.path.ismount() does not see
    (proc_pid_fdinfo(5), mnt_id)."""
    try:
        return _mount_of(where) != _mount_of(os.path.dirname(where))
    except FileNotFoundError:
        return False


def _mount_of(path: str) -> str:
    fd = os.open(path, _DIRECTORY)
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as f:
            return next(line for line in f if line.startswith("mnt_id:"))
    finally:
        os.close(fd)


def unmount(where: str) -> None:
    """Undo the mount on `where`; whoever is in it may stay.  Raises CrunpyError."""
    try:
        check(lib.crunpy_umount(os.fsencode(where), _MNT_DETACH), where)
    except OSError as e:
        raise CrunpyError.from_os(f"unmounting {where}", e) from e


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    check(
        lib.crunpy_mount(
            os.fsencode(source),
            os.fsencode(target),
            kind.encode() if kind else ffi.NULL,
            flags,
            os.fsencode(data) if data else ffi.NULL,
        ),
        target,
    )
