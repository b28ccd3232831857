"""Where the build context is from: a directory, standard input, an archive, a URL or a git
repository (docker-build(1), podman-build(1)).  What is fetched becomes a directory, too.

The context may be anybody's: its Dockerfile and ignore file are looked for inside it, links
lead nowhere else, and only regular files of some size are read (CVE-2022-4122).
"""

from __future__ import annotations

import os

from crun_py.archive.extract import Extractor, Rules
from crun_py.build import add, repository
from crun_py.build.dockerfile import STDIN, Dockerfile, ignore_of, lookup, of_stream, reader
from crun_py.build.files import Tree
from crun_py.errors import CrunpyError, InvalidArgument, NotFound
from crun_py.record import record
from crun_py.tree import DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crun_py.build.ignore import Ignore

TITLE = "the build context"
_DIRECTORY = DIRECTORY & ~os.O_NOFOLLOW


class Context(Tree):
    """The files that a build sees, and its Dockerfile.

    dockerfile: its bytes.  dockerfile_name: what errors call it.
    """

    def __init__(self, root: int, ignore: Ignore, dockerfile: Dockerfile) -> None:
        super().__init__(root, TITLE, ignore)
        self.dockerfile, self.dockerfile_name = dockerfile.content, dockerfile.name

    def close(self) -> None:
        """Let go of the directory."""
        os.close(self.root)


def opened(
    where: str,
    *,
    work: str,
    environment: Mapping[str, str],
    dockerfile: str = "",
    ignore_file: str = "",
    stdin: int = -1,
) -> Context:
    """The context `where`.  To be called before anything is mounted: paths are relative to the
    working directory.

    work: a directory, of which what is fetched becomes a part.  environment: of git.
    dockerfile: of -f.  ignore_file: of --ignorefile.  stdin: the descriptor that `-` means.
    Raises NotFound, InvalidArgument, ImageError (an archive), CrunpyError.
    """
    if where == "-" and dockerfile == "-":
        raise InvalidArgument("build context -: standard input is the Dockerfile already")
    found = _opened(where, work, environment, stdin)
    try:
        if found.alone is None:
            file = lookup(found.root, found.local, dockerfile, stdin)
        elif dockerfile:
            raise InvalidArgument(
                f"Dockerfile {dockerfile}: {found.label} is a Dockerfile, too",
                hint="an archive there, or a directory as the context, goes with -f",
            )
        else:
            file = Dockerfile(name=found.label, content=found.alone)
        try:
            ignore = ignore_of(found.root, file, ignore_file)
        finally:
            file.close()
        return Context(found.root, ignore, file)
    except BaseException:
        os.close(found.root)
        raise


def named(where: str, *, work: str, environment: Mapping[str, str], title: str) -> Tree:
    """The files of `--build-context NAME=where`: what `opened` takes, without a Dockerfile.

    Its `root` is to be closed.  Raises as `opened`.
    """
    found = _opened(where, work, environment, -1)
    try:
        if found.alone is not None:
            raise InvalidArgument(f"{title}: {where} is neither a directory nor an archive")
        return Tree(found.root, title, ignore_of(found.root, None, ""))
    except BaseException:
        os.close(found.root)
        raise


# ---- where it is from ----


@record
class _Found:
    """root: the directory.  alone: a Dockerfile that came instead of one.  local: the path of a
    directory, "" for what was fetched.  label: what it is from."""

    root: int
    label: str
    alone: bytes | None = None
    local: str = ""


def _opened(where: str, work: str, environment: Mapping[str, str], stdin: int) -> _Found:
    if where == "-":
        if stdin < 0 or os.isatty(stdin):
            raise InvalidArgument("build context -: standard input is a terminal",
                                  hint="- < Dockerfile, or a directory")  # fmt: skip
        return _of_stream(reader(stdin, STDIN), STDIN, work)
    local = _of_path(where, work)
    if local is not None:
        return local
    remote = repository.parse(where)
    if remote is not None:
        from crun_py.build import git

        root, _ = git.fetch(remote, work, environment)
        return _Found(root=root, label=remote.shown)
    if add.is_url(where):
        from crun_py.oci.registry.connect import download

        label = repository.shown(where)
        with download(where, f"fetching {label}") as read:
            return _of_stream(read, label, work)
    raise _nothing_at(where)


def _of_path(where: str, work: str) -> _Found | None:
    """The directory or archive `where`; None when there is nothing of that name."""
    try:
        # O_NONBLOCK: a FIFO is not waited for
        fd = os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as e:
        raise CrunpyError.from_os(f"build context {where}", e) from e
    try:
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            root = os.open(f"/proc/self/fd/{fd}", _DIRECTORY)
            return _Found(root=root, label=where, local=where)
        if add.is_archive(fd):
            return _of_stream(reader(fd, where), where, work)
    except OSError as e:
        raise CrunpyError.from_os(f"build context {where}", e) from e
    finally:
        os.close(fd)
    raise InvalidArgument(
        f"build context {where}: neither a directory nor a tar archive",
        hint=f"-f {where} names a Dockerfile, the context follows: -f {where} .",
    )


def _nothing_at(where: str) -> NotFound:
    from crun_py.build.nearest import hint

    above, _, name = where.rstrip("/").rpartition("/")
    try:
        near = hint(name, sorted(os.listdir(above or ".")))
    except OSError:
        near = ""
    return NotFound(f"build context {where}: no such directory", hint=near)


def _of_stream(read: Callable[[int], bytes], label: str, work: str) -> _Found:
    """What is in a stream: an archive, or a Dockerfile alone."""
    first = add.at_least(read, 1 << 20)
    if not first:
        raise InvalidArgument(f"build context {label}: it is empty")
    archive = add.begins_archive(_bytes_reader(first))
    alone = None if archive else of_stream(add.prefixed(first, read), label)
    root = _new_directory(f"{work}/context-{os.urandom(6).hex()}")
    try:
        if archive:
            # devices are passed over: no context is one that has them
            rules = Rules(owner=lambda uid, gid: None, overwrite=True)
            add.extract(add.prefixed(first, read), Extractor(root, rules), label)
    except BaseException:
        os.close(root)
        raise
    return _Found(root=root, label=label, alone=alone)


def _new_directory(place: str) -> int:
    try:
        os.mkdir(place)
        root = os.open(place, DIRECTORY)
        os.fchmod(root, 0o755)  # whatever the umask is
        return root
    except OSError as e:
        raise CrunpyError.from_os(f"creating directory {place}", e) from e


def _bytes_reader(data: bytes) -> Callable[[int], bytes]:
    return add.prefixed(data, lambda size: b"")
