"""Archives to begin with for native/untar.c and the target `archives`: what the writers of layers
make, and what attackers do."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

from crun_py.archive import header

Member = tuple[str, bytes, str | bytes]
DIRECTORY, FILE, LINK, SYMLINK = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE
FIFO, CHARACTER, BLOCK = tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE
LAYERS: list[list[Member]] = [
    [("etc/", DIRECTORY, ""), ("etc/passwd", FILE, b"root:x:0:0::/:/bin/sh\n"),
     ("bin", SYMLINK, "usr/bin"), ("bin/sh", FILE, b"#!"), ("bin/ash", LINK, "bin/sh")],
    [("a/b/c", FILE, b"x" * 600), ("a", FILE, b""), ("a/d", FILE, b"y"), ("./a/../e", FILE, b"")],
    [("etc/.wh.passwd", FILE, b""), ("var/.wh..wh..opq", FILE, b""), ("var/x", FILE, b"1"),
     (".wh..wh.plnk", DIRECTORY, ""), ("gone", CHARACTER, ""), (".wh.bin", FILE, b"")],
    [("dev/null", CHARACTER, ""), ("dev/sda", BLOCK, ""), ("run/pipe", FIFO, "")],
    [("out", SYMLINK, "../canary"), ("out/file", FILE, b"!"), ("out/.wh.file", FILE, b""),
     ("h", LINK, "out/file"), ("h", FILE, b"!"), ("out/directory/x", DIRECTORY, "")],
    [("abs", SYMLINK, "/mnt/canary"), ("abs/x", FILE, b"!"), ("l", LINK, "/mnt/canary/file"),
     ("loop", SYMLINK, "loop"), ("loop/x", FILE, b"")],
    [("../canary/file", FILE, b"!"), ("x/../../canary/file", FILE, b"!")],
    [("/", SYMLINK, "../canary"), (".", FILE, b"")],
    [("p" * 130 + "/" + "q" * 99, FILE, b"long"), ("s", SYMLINK, "t" * 300),
     ("u" * 300, FILE, b"")],
    [("d", DIRECTORY, ""), ("d/link", SYMLINK, "."), ("d/link/link/f", FILE, b"1"),
     ("d/f", LINK, "d/link/f"), ("d", FILE, b""), ("lower/x", LINK, "not/here")],
]  # fmt: skip
ATTRIBUTES = {
    "SCHILY.xattr.user.a": "1",
    "SCHILY.xattr.security.capability": "\1\0\0\2\0\4\0\0" + "\0" * 12,
    "SCHILY.xattr.user.overlay.opaque": "y",
    "mtime": "-1.5",
    "uid": "70000",
    "comment": "x",
}


def archive(members: list[Member], form: int, **more: dict[str, str]) -> bytes:
    """The members in one of tarfile's formats; more: its `pax_headers` for each."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, bufsize=512) as tar:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = kind, 0o755, 1700000000
            info.pax_headers = more.get("pax", {})
            if isinstance(content, bytes):
                info.size = len(content)
            else:
                info.linkname = content
            if kind in (CHARACTER, BLOCK) and name != "gone":
                info.devmajor, info.devminor = 1, 3
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue().rstrip(b"\0") + bytes(1024)


def archives() -> Iterator[bytes]:
    """Whole archives."""
    for members in LAYERS:
        for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            try:
                yield archive(members, form)
            except ValueError:
                continue  # a name that ustar cannot say
    yield archive(LAYERS[0], tarfile.PAX_FORMAT, pax=ATTRIBUTES)
    ours = header.Entry(b"n" * 200, header.FILE, size=5, uid=1 << 30, xattrs={"user.x": b"=\n\0"})
    yield header.encode(ours) + b"hello" + header.padding(5) + header.END
    sparse = bytearray(archive(LAYERS[0], tarfile.GNU_FORMAT))
    sparse[156:157] = b"S"
    yield bytes(sparse)


def for_unpacker() -> Iterator[bytes]:
    """Each with a byte of choices."""
    for number, data in enumerate(archives()):
        padded = data + bytes(-len(data) % 512)
        yield padded + bytes([(0, 1, 4, 12, 2, 255)[number % 6]])


def signed(data: bytes) -> bytes:
    """The archive with right checksums, where headers seem to be."""
    made = bytearray(data)
    at = 0
    while at + 512 <= len(made):
        block = made[at : at + 512]
        if any(block):
            total = sum(block[:148]) + 256 + sum(block[156:])
            made[at + 148 : at + 156] = b"%06o\0 " % total
        size = bytes(block[124:136]).strip(b" \0")
        length = int(size, 8) if size and set(size) <= set(b"01234567") else 0
        at += 512 + (length + 511) // 512 * 512
    return bytes(made)
