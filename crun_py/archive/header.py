"""The 512-byte header of a tar entry, with a PAX header before it where it must be (tar(5)).

The same values give the same bytes with any version of Python: the digest of a layer
depends on them.
"""

from __future__ import annotations

BLOCK = 512
FILE, HARDLINK, SYMLINK, CHARACTER, BLOCKDEV, DIRECTORY, FIFO = (b"%d" % n for n in range(7))
END = bytes(2 * BLOCK)
"""What ends an archive."""

_PAX = b"x"
_NAME, _SIZE, _ID = 100, 0o77777777777, 0o7777777


class Entry:
    """What a header says.

    name:   path in the archive, without a leading "/"; of a directory with a last "/".
    kind:   one of the constants above.
    link:   target of a link.
    device: (major, minor).
    xattrs: extended attributes by their names.
    """

    __slots__ = ("device", "gid", "kind", "link", "mode", "mtime", "name", "size", "uid", "xattrs")

    def __init__(
        self,
        name: bytes,
        kind: bytes,
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        size: int = 0,
        mtime: int = 0,
        link: bytes = b"",
        device: tuple[int, int] = (0, 0),
        xattrs: dict[str, bytes] | None = None,
    ) -> None:
        self.name, self.kind, self.mode, self.uid, self.gid = name, kind, mode, uid, gid
        self.size, self.mtime, self.link, self.device = size, mtime, link, device
        self.xattrs = xattrs or {}


def padding(size: int) -> bytes:
    """What follows `size` bytes of content."""
    return bytes(-size % BLOCK)


def encode(entry: Entry) -> bytes:
    """The header, or headers, of `entry`."""
    records = _records(entry)
    head = b""
    if records:
        body = b"".join(_record(key, value) for key, value in sorted(records.items()))
        name = b"PaxHeaders/" + entry.name.rstrip(b"/").rpartition(b"/")[2]
        pax = Entry(name[:_NAME], _PAX, size=len(body))
        head = _block(pax) + body + padding(len(body))
    return head + _block(entry)


def _records(entry: Entry) -> dict[bytes, bytes]:
    """What the fixed fields cannot hold."""
    records = {}
    if len(entry.name) > _NAME:
        records[b"path"] = entry.name
    if len(entry.link) > _NAME:
        records[b"linkpath"] = entry.link
    numbers = (("size", entry.size, _SIZE), ("uid", entry.uid, _ID), ("gid", entry.gid, _ID))
    for key, value, most in (*numbers, ("mtime", entry.mtime, _SIZE)):
        if not 0 <= value <= most:
            records[key.encode()] = b"%d" % value
    for xattr, content in entry.xattrs.items():
        records[b"SCHILY.xattr." + xattr.encode(errors="surrogateescape")] = content
    return records


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE` and a newline; the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _octal(value: int, digits: int) -> bytes:
    most = 8**digits - 1
    return b"%0*o\0" % (digits, value if 0 <= value <= most else 0)


def _block(entry: Entry) -> bytes:
    before = b"".join(
        (
            entry.name[:_NAME].ljust(_NAME, b"\0"),
            _octal(entry.mode, 7),
            _octal(entry.uid, 7),
            _octal(entry.gid, 7),
            _octal(entry.size, 11),
            _octal(entry.mtime, 11),
        )
    )
    after = b"".join(
        (
            entry.kind,
            entry.link[:_NAME].ljust(_NAME, b"\0"),
            b"ustar\x0000",
            bytes(64),  # names of user and group: the numbers count
            _octal(entry.device[0], 7),
            _octal(entry.device[1], 7),
        )
    ).ljust(BLOCK - 156, b"\0")
    total = sum(before) + sum(after) + 8 * 32
    return before + b"%06o\0 " % total + after
