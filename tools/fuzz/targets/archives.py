"""Tar archives that are read in Python: contexts, `cp`, `load` (archive/, oci/store/tarball).

Files are really made, in a directory of memory; beside it lie files that must stay as they are.
An input is an archive and a byte of choices.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import tracemalloc
import zlib
from collections.abc import Iterator

import tar_seeds

from crun_py.archive import header
from crun_py.archive.extract import Extractor, Rules
from crun_py.archive.read import Reader, Stream
from crun_py.errors import CrunpyError
from crun_py.oci.store.tarball import Archive
from crun_py.tree import remove_tree

MOST = 1 << 14
TOKENS = [
    "path=",
    "size=",
    "uid=",
    "SCHILY.xattr.user.a=",
    "ustar\0",
    "../",
    "\0",
    "\xff" * 8,
    "0000777",
]
OVERWRITE, CONTAINER, DEVICES, AS_IT_IS = 1, 2, 4, 8
_TRACED_ONE_IN = 16
"""Inputs: tracemalloc keeps some KB of each time that it was on."""
_PLACE = tempfile.mkdtemp(prefix="fuzz", dir="/dev/shm")
_TREE, _CANARY = _PLACE + "/tree", _PLACE + "/canary"
atexit.register(shutil.rmtree, _PLACE, ignore_errors=True)
os.makedirs(_CANARY + "/directory")
with open(_CANARY + "/file", "w") as _file:
    _file.write("x")


def _beside() -> list[tuple[int, int, int]]:
    names = (_PLACE, _CANARY, _CANARY + "/file", _CANARY + "/directory")
    return [(s.st_ctime_ns, s.st_mode, s.st_nlink) for s in map(os.lstat, names)]


def seeds() -> Iterator[bytes]:
    for number, data in enumerate(tar_seeds.archives()):
        yield data + bytes([number % 16])


def one(data: bytes) -> None:
    choice, data = data[-1] if data else 0, data[:-1]
    data = data if choice & AS_IT_IS else tar_seeds.signed(data)
    if zlib.crc32(data) % _TRACED_ONE_IN:
        _all(data, choice)
        return
    tracemalloc.start()
    try:
        _all(data, choice)
        _, most = tracemalloc.get_traced_memory()
        assert most < (8 << 20) + 4 * len(data)
    finally:
        tracemalloc.stop()


def _all(data: bytes, choice: int) -> None:
    whole = _entries(data, len(data) or 1)
    assert whole == _entries(data, 7 + choice), "pieces of any size mean the same"
    _extract(data, choice)
    _as_images(data)


def _entries(data: bytes, size: int) -> list[object]:
    """What each header says; of the last one, the error."""
    reader = _reader(data, size)
    found: list[object] = []
    try:
        while entry := reader.next():
            assert b"\0" not in entry.name + entry.link
            assert 0 <= entry.mode <= 0o7777 and 0 <= entry.uid < 1 << 32
            found.append([getattr(entry, name) for name in header.Entry.__slots__])
            found.append(sum(map(len, reader.content())))
            assert found[-1] == entry.size
            reader.skip_padding()
    except CrunpyError as e:
        assert "\n" not in e.line()
        found.append(e.line())
    return found


def _reader(data: bytes, size: int) -> Reader:
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return Reader(Stream(pieces, "it").read, "it")


def _extract(data: bytes, choice: int) -> None:
    os.mkdir(_TREE)
    before = _beside()
    top = os.open(_TREE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        rules = Rules(
            owner=lambda uid, gid: None,
            overwrite=bool(choice & OVERWRITE),
            devices=bool(choice & DEVICES),
        )
        root = {"root": os.dup(top), "where": ""} if choice & CONTAINER else {}
        try:
            Extractor(top, rules, **root).extract(_reader(data, 4096))
        except CrunpyError as e:
            assert "\n" not in e.line()
        finally:
            if root:
                os.close(root["root"])
    finally:
        os.close(top)
        assert _beside() == before, "nothing beside it is changed"
        remove_tree(_TREE)


def _as_images(data: bytes) -> None:
    """As an archive of images, of which files are read by their names."""
    fd = os.memfd_create("archive", os.MFD_CLOEXEC)
    try:
        os.write(fd, data)
        try:
            archive = Archive(fd, "it")
            for name in ("manifest.json", "etc/passwd", "a/b/c", "h"):
                if name in archive:
                    assert len(archive.read(name, 1 << 20)) == archive.size(name)
        except CrunpyError as e:
            assert "\n" not in e.line()
    finally:
        os.close(fd)
