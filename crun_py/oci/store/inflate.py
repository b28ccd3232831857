"""Decompression and compression of layers as they come, in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from crun_py.errors import ImageError
from crun_py.oci.store.layers import Limits

_PIECE_BYTES = 512 << 10
_WINDOW_LIMIT = 128 << 20
_FREE_BYTES = 1 << 30
_GZIP_WINDOW = 31  # zlib's way to say: 32 KiB, with gzip header and trailer
_MEMORY_LIMIT = 256 << 20


_MAGIC = {
    "gzip": b"\x1f\x8b",
    "zstd": b"\x28\xb5\x2f\xfd",
    "xz": b"\xfd7zXZ\0",
    "bzip2": b"BZh",
}


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Decompressor(Protocol):
    """Of the standard library: bz2 and lzma have no common name for theirs."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Source:
    """Compressed pieces as a file to read, and how much of them was taken."""

    def __init__(self, get: Callable[[], bytes]) -> None:
        self._get = get
        self._rest = b""
        self.taken = 0

    def next(self) -> bytes:
        data, self._rest = self._rest or self._get(), b""
        self.taken += len(data)
        return data

    def read(self, size: int = -1) -> bytes:
        data = self._rest or self._get()
        if size >= 0:
            data, self._rest = data[:size], data[size:]
        self.taken += len(data)
        return data


def inflate(kind: str, get: Callable[[], bytes], limits: Limits) -> Iterator[bytes]:
    """The uncompressed pieces of what get() returns piece by piece, b"" at its end.

    kind: "gzip", "zstd", "" or, for whole archives, "xz" and "bzip2".  Several members or
    frames are one stream; what follows them and is none is read and ignored.  Raises
    ImageError for malformed data and for a bomb.
    """
    source = _Source(get)
    made = 0
    for data in {
        "gzip": _gzip,
        "zstd": _zstd,
        "xz": _xz,
        "bzip2": _bzip2,
        "": _plain,
    }[kind](source):
        made += len(data)
        if made > _FREE_BYTES and made > limits.ratio * source.taken:
            raise ImageError(f"decompressing a layer: more than {limits.ratio} times its size")
        yield data


def kind_of(start: bytes) -> str:
    """How data that begins with `start` is compressed; "" for not at all."""
    for kind, magic in _MAGIC.items():
        if start.startswith(magic):
            return kind
    return ""


def opened(read: Callable[[int], bytes], label: str) -> Iterator[bytes]:
    """The uncompressed pieces of an archive that read(n) gives, at most n bytes at a time.

    Raises ImageError, which calls it `label`, also when there is nothing.
    """
    first = read(_PIECE_BYTES)
    if not first:
        raise ImageError(f"{label}: it is empty")
    waiting = [first]

    def get() -> bytes:
        return waiting.pop() if waiting else read(_PIECE_BYTES)

    yield from inflate(kind_of(first), get, Limits())


def _plain(source: _Source) -> Iterator[bytes]:
    return iter(source.next, b"")


def _gzip(source: _Source) -> Iterator[bytes]:
    from isal import igzip_lib

    data = source.next()
    first = True
    while data[:2] == b"\x1f\x8b" or first:
        first = False
        member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        try:
            while not member.eof:
                if member.needs_input and not data:
                    raise ImageError("decompressing a layer: it ends in the middle")
                made = member.decompress(data, _PIECE_BYTES)
                data = source.next() if member.needs_input and not member.eof else b""
                if made:
                    yield made
        except igzip_lib.error as e:  # type: ignore[misc]  # its stub forgets the base class
            raise ImageError(f"decompressing a layer: not valid gzip data: {e}") from e
        data = member.unused_data
        if len(data) < 2:
            data += source.next()
    while source.next():
        continue


def _zstd(source: _Source) -> Iterator[bytes]:
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW_LIMIT)
    try:
        with decompressor.stream_reader(source, read_across_frames=True) as reader:  # type: ignore[arg-type]
            while data := reader.read(_PIECE_BYTES):
                yield data
    except zstandard.ZstdError as e:
        raise ImageError(f"decompressing a layer: not valid zstd data: {e}") from e


def _xz(source: _Source) -> Iterator[bytes]:
    import lzma

    def member() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_LIMIT)

    try:
        yield from _members(source, member)
    except lzma.LZMAError as e:
        raise ImageError(f"decompressing an archive: not valid xz data: {e}") from e


def _bzip2(source: _Source) -> Iterator[bytes]:
    import bz2

    try:
        yield from _members(source, bz2.BZ2Decompressor)
    except OSError as e:
        raise ImageError(f"decompressing an archive: not valid bzip2 data: {e}") from e


def _members(source: _Source, make: Callable[[], Decompressor]) -> Iterator[bytes]:
    """What the standard library's decompressors make of one or more members."""
    data = source.next()
    while data:
        member = make()
        while not member.eof:
            if member.needs_input and not data:
                raise ImageError("decompressing an archive: it ends in the middle")
            made = member.decompress(data, _PIECE_BYTES)
            data = source.next() if member.needs_input and not member.eof else b""
            if made:
                yield made
        data = member.unused_data.lstrip(b"\0") or source.next()


def gzip_compressor() -> Compressor:
    """A zlib compression object that makes gzip."""
    from isal import isal_zlib

    made: Compressor = isal_zlib.compressobj(1, wbits=_GZIP_WINDOW)
    return made


def compress(kind: str, pieces: Iterable[bytes], level: int | None = None) -> Iterator[bytes]:
    """`pieces` compressed as "gzip", "zstd" or, for "", as they are.

    level: of zlib (1-9) or zstd (1-22); gzip without one is isal's, several times as fast.
    """
    if not kind:
        yield from pieces
        return
    compressor: Compressor
    if kind == "zstd":
        import zstandard

        compressor = zstandard.ZstdCompressor(level=level or 3).compressobj()
    elif level is None:
        compressor = gzip_compressor()
    else:
        import zlib

        compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP_WINDOW)
    for piece in pieces:
        if data := compressor.compress(piece):
            yield data
    yield compressor.flush()
