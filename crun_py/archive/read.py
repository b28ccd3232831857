"""The entries of a tar stream, one after the other (tar(5): ustar, pax and GNU names).

The stream may come from anybody: the headers of an entry cost at most a mebibyte, and what a
header says of lengths and owners is checked before it is believed.  Sparse files are refused.
"""

from __future__ import annotations

from crun_py.archive.header import BLOCK, BLOCKDEV, CHARACTER, FILE, Entry
from crun_py.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_META_BYTES = 1 << 20
_ENTRIES = 4_000_000
_PIECE_BYTES = 1 << 20
_MAX_ID = (1 << 32) - 2
_MAX_DEVICE = (1 << 31) - 1
_META = b"xgLK"
_SAME = {b"\0": FILE, b"7": FILE}


class Reader:
    """Reads entries by `read(n)`, which returns n bytes of the uncompressed archive.

    label: what errors, which are ImageError, call the archive.  ended: whether there is nothing
    more; with it an archive may end without the blocks that tar(5) wants there, and without the
    padding before them, as what docker's command line makes of a context with a Dockerfile from
    elsewhere.  An entry's content and the padding behind it are the caller's to read, or to skip,
    before the next entry.
    """

    def __init__(
        self, read: Callable[[int], bytes], label: str, ended: Callable[[], bool] | None = None
    ) -> None:
        self._read, self._label = read, label
        self._ended = ended or (lambda: False)
        self._count = self._padding = 0
        self.left = 0

    def error(self, why: str) -> ImageError:
        """The error for this archive."""
        return ImageError(f"reading {self._label}: {why}")

    def next(self) -> Entry | None:
        """The next entry; None at the end.  Its name is as it stands in the archive."""
        extra: dict[str, bytes] = {}
        room = _META_BYTES
        while True:
            if not extra and self._count and self._ended():
                return None
            block = self._read(BLOCK)
            if not any(block):
                return None
            self._check_sum(block)
            self._count += 1
            if self._count > _ENTRIES:
                raise self.error(f"more than {_ENTRIES} entries")
            kind = block[156:157]
            if kind not in _META:
                return self._entry(block, _SAME.get(kind, kind), extra)
            size = self._number(block[124:136])
            room -= size
            if room < 0:  # of one, or of all before an entry
                raise self.error("a header that is too large")
            data = self._read(size + -size % BLOCK)[:size]
            if kind == b"x":
                extra |= self._pax(data)
            elif kind == b"L":
                extra["path"] = data.rstrip(b"\0")
            elif kind == b"K":
                extra["linkpath"] = data.rstrip(b"\0")

    def skip_padding(self) -> None:
        """To be called when the content has been read."""
        if not self._padding or not self._ended():
            self._read(self._padding)
        self._padding = 0

    def content(self) -> Iterator[bytes]:
        """What is left of the entry's content."""
        while self.left:
            data = self._read(min(self.left, _PIECE_BYTES))
            self.left -= len(data)
            yield data

    def _entry(self, block: bytes, kind: bytes, extra: dict[str, bytes]) -> Entry:
        if kind not in b"0123456":
            sparse = kind == b"S"
            raise self.error("sparse files are not supported" if sparse else "an unknown kind")
        if any(key.startswith("GNU.sparse.") for key in extra):
            raise self.error("sparse files are not supported")
        size = self._decimal(extra["size"]) if "size" in extra else self._number(block[124:136])
        entry = Entry(
            extra.get("path") or _ustar_name(block),
            kind,
            mode=self._number(block[100:108]) & 0o7777,
            uid=self._id(extra, "uid", block[108:116]),
            gid=self._id(extra, "gid", block[116:124]),
            size=size if kind == FILE else 0,  # whatever the field says, nothing follows others
            mtime=self._time(extra, block[136:148]),
            link=extra.get("linkpath") or block[157:257].partition(b"\0")[0],
            device=(self._device(block[329:337]), self._device(block[337:345]))
            if kind in (CHARACTER, BLOCKDEV)
            else (0, 0),
        )
        if b"\0" in entry.name or b"\0" in entry.link:
            raise self.error("a name with a NUL byte")
        self.left, self._padding = entry.size, -entry.size % BLOCK
        return entry

    def _check_sum(self, block: bytes) -> None:
        found = sum(block[:148]) + sum(block[156:]) + 8 * 32
        try:
            good = int(block[148:156].strip(b" \0") or b"0", 8) == found
        except ValueError:
            good = False
        if not good:
            raise self.error("not a tar archive, or a damaged one")

    def _number(self, field: bytes) -> int:
        """Octal digits, or base 256 (GNU)."""
        if field[0] & 0x80:
            number = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
            if field[0] & 0x40 or number >= 1 << 63:
                raise self.error("a number that is negative or too large")
            return number
        text = field.strip(b" \0")
        if text and not set(text) <= set(b"01234567"):
            raise self.error("a number that is none")
        return int(text or b"0", 8)

    def _decimal(self, text: bytes) -> int:
        if not text.isdigit() or len(text) > 18:
            raise self.error("a number that is none")
        return int(text)

    def _id(self, extra: dict[str, bytes], key: str, field: bytes) -> int:
        number = self._decimal(extra[key]) if key in extra else self._number(field)
        if number > _MAX_ID:
            raise self.error(f"an owner out of range: {number}")
        return number

    def _device(self, field: bytes) -> int:
        number = self._number(field)
        if number > _MAX_DEVICE:
            raise self.error(f"a device out of range: {number}")
        return number

    def _time(self, extra: dict[str, bytes], field: bytes) -> int:
        if "mtime" not in extra:
            return self._number(field)
        whole = extra["mtime"].partition(b".")[0]
        return -self._decimal(whole[1:]) if whole[:1] == b"-" else self._decimal(whole)

    def _pax(self, data: bytes) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        at = 0
        while at < len(data):
            length, space, _ = data[at : at + 20].partition(b" ")
            n = self._decimal(length) if space else 0
            record = data[at + len(length) + 1 : at + n]
            if n <= len(length) + 1 or at + n > len(data) or record[-1:] != b"\n":
                raise self.error("a malformed pax header")
            key, _, value = record[:-1].partition(b"=")
            found[key.decode("utf-8", "surrogateescape")] = value
            at += n
        return found


def _ustar_name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0":
        prefix = block[345:500].partition(b"\0")[0]
        return prefix + b"/" + name if prefix else name
    return name


class Stream:
    """`read(n)` for a Reader, from pieces of any size."""

    def __init__(self, pieces: Iterator[bytes], label: str) -> None:
        self._pieces, self._label = pieces, label
        self._held = b""
        self._at = 0

    def ended(self) -> bool:
        """Whether there is nothing more."""
        if self._at == len(self._held):
            self._held, self._at = next(self._pieces, b""), 0
        return not self._held

    def read(self, size: int) -> bytes:
        """`size` bytes.  Raises ImageError at the end."""
        parts = []
        while size:
            if self._at == len(self._held):
                self._held, self._at = next(self._pieces, b""), 0
                if not self._held:
                    raise ImageError(f"reading {self._label}: it ends in the middle")
            part = self._held[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
