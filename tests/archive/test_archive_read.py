"""Tar archives that somebody made to do harm, as they are read entry by entry."""

from __future__ import annotations

import io
import tarfile

import pytest

from crun_py.archive import header
from crun_py.archive.read import Reader, Stream
from crun_py.errors import ImageError


def reader(data: bytes) -> Reader:
    return Reader(Stream(iter([data]), "it").read, "it")


def pax(number: int, size: int) -> bytes:
    """A header that sets one more keyword."""
    body = header._record(b"k%d" % number, b"v" * size)
    about = header.Entry(b"x", b"x", size=len(body))
    return header._block(about) + body + header.padding(len(body))


def test_headers_for_one_entry_have_an_end() -> None:
    """Each is small, and all of them would be kept."""
    few = pax(0, 1000) + pax(1, 1000) + header.encode(header.Entry(b"a", header.FILE))
    assert reader(few + header.END).next()
    many = b"".join(pax(number, 400 << 10) for number in range(3))
    with pytest.raises(ImageError, match="header that is too large"):
        reader(many + header.END).next()
    one = [header.encode(header.Entry(b"a", header.FILE, xattrs={"user.x": b"v" * 300_000}))]
    found = reader(b"".join(one * 10) + header.END)
    for _ in range(10):
        assert found.next()  # each entry has its own


@pytest.mark.parametrize("place", [329, 337])
def test_devices_out_of_range(place: int) -> None:
    info = tarfile.TarInfo("d")
    info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 3
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    entry = reader(bytes(block) + header.END).next()
    assert entry and entry.device == (1, 3)
    block[place : place + 8] = b"\x80\0\0\0\x80\0\0\0"  # base 256: 1 << 31
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:512]))
    with pytest.raises(ImageError, match="a device out of range: 2147483648"):
        reader(bytes(block) + header.END).next()


def test_what_an_archive_says_of_itself() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("a")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    found = reader(out.getvalue())
    entry = found.next()
    assert entry and (entry.name, entry.size) == (b"a", 3)
    assert b"".join(found.content()) == b"abc"
    found.skip_padding()
    assert found.next() is None


def test_an_archive_without_its_end() -> None:
    """Taken where the reader can look for the end: docker's command line sends such contexts."""
    entry = header.encode(header.Entry(b"a", header.FILE, size=3))
    for data in (entry + b"abc", entry + b"abc" + bytes(509)):
        stream = Stream(iter([data]), "it")
        lenient = Reader(stream.read, "it", stream.ended)
        assert lenient.next()
        assert b"".join(lenient.content()) == b"abc"
        lenient.skip_padding()
        assert lenient.next() is None
    strict = reader(entry + b"abc")
    assert strict.next() and b"".join(strict.content()) == b"abc"
    with pytest.raises(ImageError, match="in the middle"):
        strict.skip_padding()
    stream = Stream(iter([entry + b"ab"]), "it")
    lenient = Reader(stream.read, "it", stream.ended)
    assert lenient.next()
    with pytest.raises(ImageError, match="in the middle"):
        b"".join(lenient.content())
    empty = Stream(iter([]), "it")
    with pytest.raises(ImageError, match="in the middle"):
        Reader(empty.read, "it", empty.ended).next()
