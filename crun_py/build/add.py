"""What ADD has beyond COPY: archives that are unpacked, and URLs (Dockerfile reference, "ADD").

An archive is known by its content.  Repositories are `git`'s.
"""

from __future__ import annotations

import errno
import os
import stat

from crun_py.archive.extract import Extractor, Rules
from crun_py.archive.header import BLOCK
from crun_py.archive.read import Reader, Stream
from crun_py.build.repository import shown
from crun_py.errors import CrunpyError, ImageError, InvalidArgument, Unsupported
from crun_py.paths import in_user_namespace
from crun_py.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crun_py.build.transfer import Target

_PIECE_BYTES = 256 << 10
_REST_BYTES = 16 << 20
"""What may follow the end of an archive that is a stream."""
_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = frozenset("0123456789abcdef")


# ---- archives ----


def is_archive(fd: int) -> bool:
    """Whether the regular file open as `fd` is a tar archive, perhaps compressed.

    Its offset stays where it is.  Raises OSError.
    """
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return False
    return begins_archive(_reader_at(fd))


def begins_archive(read: Callable[[int], bytes]) -> bool:
    """Whether what `read` gives begins like a tar archive, perhaps compressed."""
    from crun_py.oci.store.inflate import kind_of

    first = at_least(read, BLOCK)
    if not kind_of(first):
        return _is_header(first[:BLOCK])
    try:
        return _is_header(next(_plain(prefixed(first, read), "an archive"), b"")[:BLOCK])
    except ImageError:
        return False


def _is_header(block: bytes) -> bool:
    """Whether a header of an entry has the sum that it says (tar(5))."""
    if len(block) < BLOCK or not any(block):
        return False
    try:
        said = int(block[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    return said == sum(block[:148]) + sum(block[156:]) + 8 * 32


def unpack(fd: int, target: Target, directory: str, label: str) -> None:
    """Unpack the archive open as `fd` below `directory` of the root of `target`, which is made
    where it is missing.

    Links to directories are followed inside the root; what is in the way of an entry is
    replaced.  Owners are those of the archive, or that of `target`; modes the archive's.
    label: what errors call it.  Raises ImageError, CrunpyError.
    """
    try:
        top = target.directory(directory)
    except OSError as e:
        raise CrunpyError.from_os(f"unpacking {label} to {directory}", e) from e
    rules = Rules(
        owner=lambda uid, gid: target.owner or (uid, gid),
        devices=not in_user_namespace(),
        overwrite=True,
    )
    where = "/" + "/".join(part for part in directory.split("/") if part not in ("", "."))
    try:
        extract(_reader_at(fd), Extractor(top, rules, root=target.root, where=where), label)
    except CrunpyError as e:
        if e.errno == errno.EINVAL and in_user_namespace():
            raise Unsupported(
                f"unpacking {label}: {e.message}",
                hint="an owner that this user cannot give: --chown, or more ids in /etc/subuid",
            ) from e
        raise
    finally:
        os.close(top)


def extract(read: Callable[[int], bytes], extractor: Extractor, label: str) -> None:
    """Give `extractor` the archive, perhaps compressed, that `read(n)` gives, to its end.

    Raises ImageError, CrunpyError.
    """
    pieces = _plain(read, label)
    stream = Stream(pieces, label)
    extractor.extract(Reader(stream.read, label, stream.ended))
    size = 0
    for piece in pieces:  # who writes into a pipe must not find it closed
        size += len(piece)
        if size > _REST_BYTES:
            raise ImageError(f"reading {label}: something else follows the archive")


def _plain(read: Callable[[int], bytes], label: str) -> Iterator[bytes]:
    from crun_py.oci.store.inflate import opened

    try:
        yield from opened(read, f"reading {label}")
    except ImageError as e:
        what = e.message.removeprefix("decompressing a layer: ")
        what = what.removeprefix("decompressing an archive: ")
        raise ImageError(what if label in what else f"reading {label}: {what}") from e


def _reader_at(fd: int) -> Callable[[int], bytes]:
    """`read(n)` from the beginning of a file, whatever its offset."""
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        data = os.pread(fd, size, at)
        at += len(data)
        return data

    return read


def at_least(read: Callable[[int], bytes], size: int) -> bytes:
    """The next `size` bytes or more that `read` gives, fewer at its end."""
    parts = []
    while size > 0 and (data := read(_PIECE_BYTES)):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def prefixed(first: bytes, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """`read(n)` of `first` and what follows it."""

    def both(size: int) -> bytes:
        nonlocal first
        if not first:
            return read(size)
        given, first = first[:size], first[size:]
        return given

    return both


# ---- URLs ----


@record
class Fetched:
    """path: the file, mode 0600.  name: the last part of the URL's path, "" for none.
    mtime: of Last-Modified, in seconds, 0 if the server does not say.  digest: sha256:…"""

    path: str
    name: str
    mtime: int
    digest: str


def is_url(text: str) -> bool:
    """Whether `text` is what fetch_url() takes; a git URL is one, too."""
    return text.startswith(("http://", "https://"))


def fetch_url(url: str, work: str, checksum: str = "") -> Fetched:
    """Download `url` to a new file in the directory `work`.

    checksum: sha256:HEX (or sha384, sha512) that it must have, "" for any.  Raises
    InvalidArgument, CrunpyError.
    """
    import hashlib

    check_checksum(checksum)
    doing = f"fetching {shown(url)}"
    kind = checksum.partition(":")[0] or "sha256"
    digests = {name: hashlib.new(name) for name in {"sha256", kind}}
    path = f"{work}/url-{os.urandom(6).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    from crun_py.oci.registry.connect import download

    try:
        with download(url, doing) as read, open(os.open(path, flags, 0o600), "wb") as file:
            while data := read(_PIECE_BYTES):
                file.write(data)
                for digest in digests.values():
                    digest.update(data)
        mtime = _seconds(read.last_modified)
        os.utime(path, (mtime, mtime))
    except OSError as e:
        raise CrunpyError.from_os(f"{doing}: writing {path}", e) from e
    found = f"{kind}:{digests[kind].hexdigest()}"
    if checksum and found != checksum.lower():
        os.unlink(path)
        raise CrunpyError(f"{doing}: its checksum is {found}, not {checksum}")
    whole = "sha256:" + digests["sha256"].hexdigest()
    return Fetched(path=path, name=name_of(url), mtime=mtime, digest=whole)


def check_checksum(checksum: str) -> None:
    """Raises InvalidArgument unless `checksum` is one of a file, or ""."""
    kind, _, digits = checksum.lower().partition(":")
    if checksum and (len(digits) != _DIGITS.get(kind) or set(digits) - _HEX):
        raise InvalidArgument(
            f"checksum {checksum!r}: not one of a file", hint="sha256: and 64 hexadecimal digits"
        )


def name_of(url: str) -> str:
    """The file's name that a URL ends in; "" where it ends in none."""
    from urllib.parse import unquote, urlsplit

    name = unquote(urlsplit(url).path).rpartition("/")[2]
    return "" if name in (".", "..") or "\0" in name else name


def _seconds(date: str) -> int:
    """An HTTP date since the epoch; 0 for none."""
    from email.utils import parsedate_to_datetime

    try:
        return max(0, int(parsedate_to_datetime(date).timestamp()))
    except (ValueError, TypeError, OverflowError):
        return 0
