"""Two layers, one on top of the other, as a pull unpacks them (oci/store/layers, oci/store/lower).

Their archives are unpacked by the same C as native/untar.c has; here is what comes after it: what
only the layers below can tell.  An input is both archives, a line of `%%` between them.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import tar_seeds

from crun_py.archive.read import Reader, Stream
from crun_py.errors import CrunpyError
from crun_py.oci.chain import diff_path
from crun_py.oci.store import layers
from crun_py.overlay.view import LayeredView
from crun_py.paths import Paths

MOST = 1 << 14
TOKENS = [
    ".wh.",
    ".wh..wh..opq",
    "../canary",
    "etc/",
    "a/b",
    "\0",
    "SCHILY.xattr.user.a=",
    "\n%%\n",
]
_PLACE = tempfile.mkdtemp(prefix="fuzz", dir="/dev/shm")
_CANARY = _PLACE + "/canary"
atexit.register(shutil.rmtree, _PLACE, ignore_errors=True)
_paths = Paths(_PLACE + "/root", _PLACE + "/run")
_BASE, _TOP = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
_LIMITS = layers.Limits(bytes=1 << 20, entries=4096)
os.makedirs(_CANARY + "/directory")
os.makedirs(_paths.layers)
with open(_CANARY + "/file", "w") as _file:
    _file.write("x")


def _beside() -> list[tuple[int, int, int]]:
    names = (_CANARY, _CANARY + "/file", _CANARY + "/directory")
    return [(s.st_ctime_ns, s.st_mode, s.st_nlink) for s in map(os.lstat, names)]


def seeds() -> Iterator[bytes]:
    known = [*tar_seeds.archives()]
    for number, data in enumerate(known):
        yield data + b"\n%%\n" + known[(number * 7 + 3) % len(known)]
    links = [("x", tar_seeds.LINK, "etc/passwd"), ("y/z", tar_seeds.LINK, "bin/sh")]
    hidden = [("etc/.wh.passwd", tar_seeds.FILE, b""), (".wh.bin", tar_seeds.FILE, b"")]
    opaque = [("etc/.wh..wh..opq", tar_seeds.FILE, b""), (".wh..wh..opq", tar_seeds.FILE, b"")]
    for members in (links, hidden, opaque, [*hidden, *links]):
        yield known[0] + b"\n%%\n" + tar_seeds.archive(members, 0)


def one(data: bytes) -> None:
    base, _, top = data.partition(b"\n%%\n")
    base, top = tar_seeds.signed(base), tar_seeds.signed(top)
    before, descriptors = _beside(), len(os.listdir("/proc/self/fd"))
    try:
        below = diff_path(_paths, _BASE)
        if _unpack(base, _BASE, []) and _unpack(top, _TOP, [below]):
            view = LayeredView([diff_path(_paths, _TOP), below])
            seen = view.names([])
            assert not any(name.startswith(".wh.") for name in seen)
            for path in _whiteouts_alone(top):
                assert view.at(path.split("/")) is None, "what is hidden is not seen"
            del view
    finally:
        for chain_id in (_TOP, _BASE):
            layers.remove(_paths, chain_id)
        assert os.listdir(_paths.layers) in ([], [".lock"]), "nothing is left of them"
        assert _beside() == before, "nothing beside them is changed"
        assert len(os.listdir("/proc/self/fd")) == descriptors, "every descriptor is closed"


def _unpack(data: bytes, chain_id: str, below: list[str]) -> bool:
    stage = layers.Stage(_paths, limits=_LIMITS)
    try:
        for at in range(0, len(data), 3000):
            stage.feed(data[at : at + 3000])
        stage.finish()
        stage.unpacked(chain_id, "sha256:" + "00" * 32, below)
    except CrunpyError as e:
        stage.discard()
        assert "\n" not in e.line()
        return False
    return True


def _whiteouts_alone(data: bytes) -> list[str]:
    """The paths that a layer hides, of one that has nothing but plain whiteouts."""
    reader = Reader(Stream(iter([data]), "it").read, "it")
    found = []
    try:
        while entry := reader.next():
            directory, _, name = os.fsdecode(entry.name).rpartition("/")
            plain = name.startswith(".wh.") and not name.startswith(".wh..wh.")
            if not plain or {"..", "."} & {*directory.split("/")} or entry.kind != b"0":
                return []
            found.append(f"{directory}/{name[4:]}".strip("/"))
            [*reader.content()]
            reader.skip_padding()
    except CrunpyError:
        return []
    return found
