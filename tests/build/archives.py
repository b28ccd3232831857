"""Archives for tests."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile

import zstandard

Entry = tuple[str, bytes | str | None]
PACKED = {
    "plain": lambda data: data,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
}


def tar(*entries: tuple[str, bytes | None] | tarfile.TarInfo) -> bytes:
    """A tar archive: (name, content), (name, None) for a directory, or a TarInfo."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            name, content = entry
            info = tarfile.TarInfo(name)
            info.mtime = 1_000_000_000
            info.mode = 0o755 if content is None else 0o640
            if content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


def node(name: str, kind: bytes, link: str = "", **fields: int) -> tarfile.TarInfo:
    """An entry without content."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    for key, value in fields.items():
        setattr(info, key, value)
    return info
