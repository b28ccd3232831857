"""Which Dockerfile a build is made by, and which ignore file goes with it.

Ignore files: that of the option, else NAME.dockerignore beside the Dockerfile (Docker's build
context, "Filename and location"), else .containerignore, else .dockerignore in the context
(containerignore(5)).
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py._native import check, lib
from crun_py.build.files import NOTHING, inside
from crun_py.build.ignore import Ignore
from crun_py.errors import CrunpyError, InvalidArgument, NotFound
from crun_py.outfile import special

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("Dockerfile", "dockerfile", "Containerfile")
LIMIT_BYTES = 4 << 20
_IGNORE = (".containerignore", ".dockerignore")
STDIN = "standard input"
_PATH = os.O_PATH | os.O_CLOEXEC
_MISSING = (errno.ENOENT, errno.ENOTDIR)


class Dockerfile:
    """name: as errors show it.  content: its bytes.  path: where it is below the directory open
    as `base`; "" for one that is in none."""

    def __init__(self, *, name: str, content: bytes, base: int = -1, path: str = "") -> None:
        self.name, self.content, self.base, self.path = name, content, base, path

    def close(self) -> None:
        """Let go of its directory."""
        if self.base >= 0:
            os.close(self.base)
            self.base = -1


def reader(fd: int, label: str) -> Callable[[int], bytes]:
    """`read(n)` of a descriptor, which raises CrunpyError."""

    def read(size: int) -> bytes:
        try:
            return os.read(fd, size)
        except OSError as e:
            raise CrunpyError.from_os(f"reading {label}", e) from e

    return read


def of_stream(read: Callable[[int], bytes], label: str) -> bytes:
    """The Dockerfile that `read(n)` gives.  Raises InvalidArgument for what can be none."""
    content = b""
    while len(content) <= LIMIT_BYTES and (data := read(1 << 20)):
        content += data
    if len(content) > LIMIT_BYTES:
        raise _too_large(label)
    if b"\0" in content:
        raise InvalidArgument(f"reading {label}: neither a Dockerfile nor a tar archive")
    return content


def _too_large(label: str) -> InvalidArgument:
    return InvalidArgument(f"reading {label}: larger than {LIMIT_BYTES >> 20} MiB")


# ---- the Dockerfile ----


def lookup(root: int, local: str, wanted: str, stdin: int = -1) -> Dockerfile:
    """The Dockerfile of a context that is a directory, open as `root`.

    local: its path, "" if it was fetched.  wanted: of -f: a path, first as the caller's, then
    in the context; a URL; "-" for the descriptor `stdin`; "" for one of NAMES.  Raises
    NotFound, InvalidArgument, CrunpyError.
    """
    if wanted == "-":
        if stdin < 0 or os.isatty(stdin):
            raise InvalidArgument("Dockerfile -: standard input is a terminal")
        return _alone(reader(stdin, STDIN), STDIN)
    if not wanted:
        return _by_default(root, local)
    if wanted.startswith(("http://", "https://")):
        from crun_py.build.repository import shown
        from crun_py.oci.registry.connect import download

        with download(wanted, f"fetching {shown(wanted)}") as read:
            return _alone(read, shown(wanted))
    if local and os.path.lexists(wanted):
        below = _below(local, wanted)
        if below is None:
            return _of_caller(wanted)
        return _in_context(root, below, wanted)
    return _in_context(root, inside(wanted), wanted)


def _alone(read: Callable[[int], bytes], label: str) -> Dockerfile:
    content = of_stream(read, label)
    if not content.strip():
        raise InvalidArgument(f"reading {label}: it is empty")
    return Dockerfile(name=label, content=content)


def _by_default(root: int, local: str) -> Dockerfile:
    for name in NAMES:
        whole = os.path.normpath(os.path.join(local, name)) if local else name
        try:
            return _opened(root, name, whole)
        except FileNotFoundError:
            continue
    title = f"build context {local}" if local else "the build context"
    raise NotFound(
        f"{title}: no Dockerfile in it: looked for {', '.join(NAMES)}", hint=_others(root)
    )


def _others(root: int) -> str:
    """What else could be meant."""
    from crun_py.build.nearest import nearest

    names = sorted(os.listdir(root))[:5000]
    like = [name for name in names if "dockerfile" in name.lower() or "containerfile" in
            name.lower()]  # fmt: skip
    like = [name for name in like if not name.endswith("ignore")]
    near = nearest(NAMES[0], names) or nearest(NAMES[2], names)
    found = like[:3] or ([near] if near else [])
    return "-f " + ", -f ".join(found) if found else "-f FILE names another one"


def _in_context(root: int, path: str, name: str) -> Dockerfile:
    try:
        return _opened(root, path, name)
    except FileNotFoundError:
        from crun_py.build.nearest import hint

        above, _, last = path.rpartition("/")
        flags = os.O_RDONLY | os.O_DIRECTORY
        directory = lib.crunpy_open_in_root(root, os.fsencode(above or "."), flags)
        near = ""
        if directory >= 0:
            near = hint(last, sorted(os.listdir(directory))[:5000])
            os.close(directory)
        raise NotFound(f"Dockerfile {name}: no such file", hint=near) from None


def _below(directory: str, path: str) -> str | None:
    """Where `path` is below `directory`, as it is written or as links have it; None: outside.

    The last name is not resolved.
    """
    top = os.path.abspath(directory)
    whole = os.path.abspath(path)
    for above, file in (
        (top, whole),
        (os.path.realpath(top), os.path.realpath(os.path.dirname(whole)) + "/"
         + os.path.basename(whole)),
    ):  # fmt: skip
        if file.startswith(above.rstrip("/") + "/"):
            return file[len(above.rstrip("/")) + 1 :]
    return None


def _opened(root: int, path: str, name: str) -> Dockerfile:
    """That at `path` below `root`, links followed inside.  Raises FileNotFoundError,
    InvalidArgument, CrunpyError."""
    content = _read(root, path, name)
    return Dockerfile(name=name, content=content, base=os.dup(root), path=path)


def _of_caller(path: str) -> Dockerfile:
    """One outside of the context, which the user named."""
    above, _, last = path.rpartition("/")
    try:
        fd = os.open(path, _PATH)
        try:
            content = _content(fd, path)
        finally:
            os.close(fd)
        base = os.open(above or ("/" if path.startswith("/") else "."), _PATH | os.O_DIRECTORY)
    except FileNotFoundError as e:
        raise NotFound(f"Dockerfile {path}: a link that leads nowhere") from e
    except OSError as e:
        raise CrunpyError.from_os(f"reading {path}", e) from e
    return Dockerfile(name=path, content=content, base=base, path=last)


# ---- files of some size ----


def _read(root: int, path: str, name: str) -> bytes:
    """A regular file below `root`.  Raises FileNotFoundError if there is nothing of that name,
    InvalidArgument, CrunpyError."""
    try:
        fd = check(lib.crunpy_open_in_root(root, os.fsencode(path), _PATH), path)
    except OSError as e:
        if e.errno in _MISSING and not _is_there(root, path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from e
        if e.errno in (*_MISSING, errno.ELOOP):
            raise InvalidArgument(
                f"reading {name}: a link that leads out of the build context, or nowhere",
                hint="files of the context are read inside it only",
            ) from e
        raise CrunpyError.from_os(f"reading {name}", e) from e
    try:
        return _content(fd, name)
    except OSError as e:
        raise CrunpyError.from_os(f"reading {name}", e) from e
    finally:
        os.close(fd)


def _is_there(root: int, path: str) -> bool:
    """Whether there is something at `path`, be it a link that leads nowhere."""
    fd = lib.crunpy_open_in_root(root, os.fsencode(path), _PATH | os.O_NOFOLLOW)
    if fd >= 0:
        os.close(fd)
    return bool(fd >= 0)


def _content(fd: int, name: str) -> bytes:
    """What is in the file that an O_PATH descriptor stands for.  Raises OSError,
    InvalidArgument unless it is a regular one of some size."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        what = special(found.st_mode) or "no regular file"
        advice = "-f - reads a pipe that is standard input" if stat.S_ISFIFO(found.st_mode) else ""
        raise InvalidArgument(f"reading {name}: it is {what}", hint=advice)
    if found.st_size > LIMIT_BYTES:
        raise _too_large(name)
    with open(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC), "rb") as file:
        content = file.read(LIMIT_BYTES + 1)
    if len(content) > LIMIT_BYTES:
        raise _too_large(name)
    return content


# ---- the ignore file ----


def ignore_of(root: int, dockerfile: Dockerfile | None, wanted: str) -> Ignore:
    """What is hidden of the context open as `root`.

    wanted: of --ignorefile, the caller's path.  Raises NotFound, InvalidArgument, CrunpyError.
    """
    if wanted:
        try:
            fd = os.open(wanted, _PATH)
        except FileNotFoundError as e:
            raise NotFound(f"ignore file {wanted}: no such file") from e
        except OSError as e:
            raise CrunpyError.from_os(f"reading {wanted}", e) from e
        try:
            return Ignore(_content(fd, wanted), wanted)
        except OSError as e:
            raise CrunpyError.from_os(f"reading {wanted}", e) from e
        finally:
            os.close(fd)
    places = [(root, name) for name in _IGNORE]
    if dockerfile and dockerfile.path:
        places.insert(0, (dockerfile.base, dockerfile.path + ".dockerignore"))
    for base, path in places:
        try:
            return Ignore(_read(base, path, path), path)
        except FileNotFoundError:
            continue
    return NOTHING
