"""`cp`: files between a container and the host, or between two containers.

One side writes an archive into a pipe, the other one extracts it.  A container's side runs
in a child process as root of that container's user namespace; the host's side runs as the
caller.  In the pipe, a line of JSON that says what is copied comes before the archive, in
which the thing itself is called "." (docker's rules then decide its name over there).
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from typing import TYPE_CHECKING

from crun_py import jsonfile, notices
from crun_py.apart import Apart, apart
from crun_py.archive.extract import Extractor, Rules
from crun_py.archive.pack import Packer
from crun_py.archive.read import Reader, Stream
from crun_py.container import inside
from crun_py.errors import Conflict, CrunpyError, InvalidArgument, NotFound
from crun_py.oci.store.inflate import opened
from crun_py.outfile import special

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, TypedDict

    from crun_py.state import Container

    class Announced(TypedDict):
        """What one side says of what it sends.  contents: of a directory, alone."""

        directory: bool
        contents: bool
        name: str


STREAM = "-"
_LINKS = 40
_PIECE_BYTES = 256 << 10
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Place:
    """One end of a copy: a path in `container`, or on the host where that is None."""

    __slots__ = ("container", "path")

    def __init__(self, container: Container | None, path: str) -> None:
        self.container, self.path = container, path

    @property
    def is_stream(self) -> bool:
        return self.container is None and self.path == STREAM

    def __str__(self) -> str:
        return f"{self.container.name}:{self.path}" if self.container else self.path


class How:
    """The options of cp.

    archive: files keep uid and gid; follow: a link named as the source is followed;
    overwrite: directories and other files may replace each other.
    """

    __slots__ = ("archive", "follow", "overwrite")

    def __init__(
        self, *, archive: bool = False, follow: bool = False, overwrite: bool = False
    ) -> None:
        self.archive, self.follow, self.overwrite = archive, follow, overwrite


def copy(source: Place, target: Place, how: How, stream: BinaryIO | None = None) -> int:
    """Copy; returns the bytes of the archive that went over.

    stream: what a place means that `is_stream`.  Raises CrunpyError.
    """
    if source.container is None and target.container is None:
        raise InvalidArgument(
            f"copying {source} to {target}: one of them must be in a container",
            hint="CONTAINER:PATH; cp copies files on the host",
        )
    if source.is_stream or target.is_stream:
        if stream is None:
            raise InvalidArgument(f"copying {source} to {target}: there is no stream")
        if source.is_stream:
            return apart(lambda: _receive(target, how, stream, named=True))
        return apart(lambda: _send(source, how, stream, named=True))
    both = source.container, target.container
    if both[0] and both[1] and both[0].id == both[1].id:
        return _within(source, target, how)
    read, write = os.pipe()
    if source.container is None:
        other = Apart(lambda: _receive(target, how, os.fdopen(read, "rb")), (write,))
        os.close(read)
        return _both(lambda: _send(source, how, os.fdopen(write, "wb")), other)
    sender = Apart(lambda: _send(source, how, os.fdopen(write, "wb")), (read,))
    os.close(write)
    if target.container is None:
        return _both(lambda: _receive(target, how, os.fdopen(read, "rb")), sender)
    receiver = Apart(lambda: _receive(target, how, os.fdopen(read, "rb")))
    os.close(read)
    return _both(receiver.result, sender)


def _within(source: Place, target: Place, how: How) -> int:
    """From one place of a container to another: its lock is not for two at once."""
    with tempfile.TemporaryFile() as spool:
        apart(lambda: _send(source, how, os.fdopen(os.dup(spool.fileno()), "wb")))
        spool.seek(0)
        return apart(lambda: _receive(target, how, os.fdopen(os.dup(spool.fileno()), "rb")))


def _both(ours: Callable[[], int], other: Apart) -> int:
    """Carry out our side and wait for the other one; of two errors the cause is raised."""
    failed: CrunpyError | None = None
    size = 0
    try:
        size = ours()
    except CrunpyError as e:
        failed = e
    except OSError as e:
        failed = CrunpyError.from_os("copying", e)
    try:
        other.result()
    except CrunpyError as e:
        if failed is None or _is_consequence(failed):
            failed = e
    if failed:
        raise failed
    return size


_ENDED_EARLY = "copying: the other side has ended"


def _is_consequence(error: CrunpyError) -> bool:
    return error.message == _ENDED_EARLY


# ---- the side that reads ----


def _send(source: Place, how: How, pipe: BinaryIO, *, named: bool = False) -> int:
    try:
        with pipe:
            if source.container is None:
                return _pack(source, -1, how, pipe, named=named)
            inside.become_root(source.container)
            with inside.root_of(source.container) as root:
                return _pack(source, root, how, pipe, named=named)
    except BrokenPipeError:
        raise CrunpyError(_ENDED_EARLY) from None


def _pack(source: Place, root: int, how: How, pipe: BinaryIO, *, named: bool) -> int:
    """named: the archive is for the user, who wants real names in it."""
    path = source.path or "/"
    last = path.rstrip("/").rpartition("/")[2]
    contents = last in ("", ".")
    follow = how.follow or contents or last == ".." or path.endswith("/")
    if last == "..":
        last = os.path.basename(os.path.realpath(path)) if root < 0 else "."
    try:
        fd = inside.open_at(root, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    except OSError as e:
        raise NotFound.from_os(f"copying {source}", e) from e
    try:
        found = os.fstat(fd)
        directory = stat.S_ISDIR(found.st_mode)
        if path.endswith("/") and not directory:
            raise InvalidArgument(f"copying {source}: not a directory")
        top = (last or ".") if named else "."
        if not named:
            about: Announced = {"directory": directory, "contents": contents, "name": last}
            pipe.write(jsonfile.dumps(about).encode() + b"\n")
        owner = inside.ids(source.container).inside
        packer = Packer(pipe.write, shut=_shut(source, root) - {found.st_dev}, owner=owner)
        packer.add_open(fd, top)
        packer.finish()
        return packer.size
    except BrokenPipeError:
        raise
    except OSError as e:
        raise CrunpyError.from_os(f"copying {source}", e) from e
    finally:
        os.close(fd)


_KERNEL = ("proc", "sysfs", "cgroup", "mqueue", "devpts")


def _shut(source: Place, root: int) -> frozenset[int]:
    """The devices of what the engine mounts: no part of a copy, unless that itself is named."""
    if source.container is None:
        return frozenset()
    found = set()
    for entry in source.container.spec()["mounts"]:
        if entry["type"] in _KERNEL or entry["destination"] == "/dev":
            try:
                fd = inside.open_at(root, entry["destination"], os.O_PATH)
            except OSError:
                continue  # not mounted in this one
            found.add(os.fstat(fd).st_dev)
            os.close(fd)
    return frozenset(found - {os.stat(root).st_dev})


# ---- the side that writes ----


def _receive(target: Place, how: How, pipe: BinaryIO, *, named: bool = False) -> int:
    with pipe:
        if target.container is None:
            return _unpack(target, -1, how, pipe, named=named)
        inside.become_root(target.container)
        with inside.root_of(target.container) as root:
            return _unpack(target, root, how, pipe, named=named)


def _unpack(target: Place, root: int, how: How, pipe: BinaryIO, *, named: bool) -> int:
    where = Target(target, root)
    try:
        if named:
            if not where.is_directory:
                raise InvalidArgument(
                    f"copying to {target}: it must be a directory",
                    hint="an archive from standard input is extracted in it",
                )
            base = ""
            pieces = opened(pipe.read, "the archive")
        else:
            line = pipe.readline()
            if not line:
                raise CrunpyError(_ENDED_EARLY)
            base = where.name_for(jsonfile.loads(line), overwrite=how.overwrite)
            pieces = iter(lambda: pipe.read(_PIECE_BYTES), b"")
        made = rules(target, root, how, archive=how.archive or named)
        extractor = Extractor(where.fd, made, root=root, where=where.path)
        extractor.extract(Reader(Stream(pieces, "the archive").read, "the archive"), base)
        return extractor.size
    except CrunpyError as e:
        raise _told(target, e) from e
    finally:
        os.close(where.fd)


def _told(target: Place, error: CrunpyError) -> CrunpyError:
    """`error` with a word on what a read-only container is."""
    if error.errno == errno.EROFS:
        return Conflict(
            f"copying to {target}: the file system is read-only",
            hint="the container was made with --read-only, or the volume with :ro",
            errno=errno.EROFS,
        )
    return error


def rules(target: Place, root: int, how: How, *, archive: bool) -> Rules:
    """How what is copied becomes files there.  archive: owners are those of the archive."""
    on_host = root < 0
    ids = inside.ids(target.container)

    def owner(uid: int, gid: int) -> tuple[int, int] | None:
        if on_host:
            return (uid, gid) if how.archive and os.geteuid() == 0 else None
        return ids.outside(uid, gid) if archive else ids.outside(0, 0)

    # a container's setuid programs do not become the caller's
    modes = 0o1777 if on_host and not how.archive else 0o7777
    return Rules(owner=owner, modes=modes, overwrite=how.overwrite, passed_over=_passed_over)


def _passed_over(path: str) -> None:
    notices.warn(f"{path}: device nodes are not copied")


def _refuse_special(place: Place, path: str) -> None:
    """Raises InvalidArgument for a device, FIFO or socket of the host, also behind links."""
    try:
        what = special(os.stat(path).st_mode)
    except OSError:
        return  # what is missing is told by whoever needs it
    if what and not os.path.isdir(path):
        raise InvalidArgument(
            f"copying to {place}: it is {what}", hint="- writes an archive to standard output"
        )


class Target:
    """Where a copy goes.

    fd, path: a directory, open, and its path; name: in it, "" when the directory itself was
    named; exists: whether there is something, no directory, of that name.
    """

    __slots__ = ("_place", "_wants_directory", "exists", "fd", "name", "path")

    def __init__(self, place: Place, root: int) -> None:
        path = place.path or "/"
        if root < 0:
            _refuse_special(place, path)
        last = path.rstrip("/").rpartition("/")[2]
        self._place = place
        self._wants_directory = path.endswith("/") or last in (".", "..", "")
        self.name, self.exists = "", False
        for _ in range(_LINKS):
            try:
                self.path, self.fd = path, inside.open_at(root, path, _DIRECTORY)
                return
            except (FileNotFoundError, NotADirectoryError):
                pass
            parent, slash, self.name = path.rstrip("/").rpartition("/")
            parent = parent or slash or "."
            try:
                self.path, self.fd = parent, inside.open_at(root, parent, _DIRECTORY)
            except OSError as e:
                raise NotFound(f"copying to {place}: no such directory: {parent}") from e
            link = self._look()
            if not link:
                return
            os.close(self.fd)
            path, self.name = f"{'' if link[0] == '/' else parent + '/'}{link}", ""
        raise InvalidArgument(f"copying to {place}: too many symbolic links")

    def _look(self) -> str:
        """The text of the link `name`, "" if it is none; notes whether it exists."""
        try:
            return os.readlink(self.name, dir_fd=self.fd)
        except FileNotFoundError:
            self.exists = False
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise CrunpyError.from_os(f"copying to {self._place}", e) from e
            self.exists = True
        return ""

    @property
    def is_directory(self) -> bool:
        return not self.name

    def name_for(self, about: Announced, *, overwrite: bool) -> str:
        """What the thing that is copied is called below `fd`; "": its content goes there.

        Raises InvalidArgument, NotFound.
        """
        if self.is_directory:
            return "" if about["directory"] and about["contents"] else about["name"]
        if about["directory"]:
            if self.exists and not overwrite:
                raise InvalidArgument(
                    f"copying to {self._place}: a directory cannot replace a file",
                    hint="--overwrite allows it",
                )
        elif self._wants_directory:
            if self.exists:
                raise InvalidArgument(f"copying to {self._place}: not a directory")
            raise NotFound(f"copying to {self._place}: no such directory")
        return self.name
