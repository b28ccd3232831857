"""Archives that a user hands to `cp -`: what costs the sender nothing must not cost us much.

The same limits hold as for the layers of images, which come from strangers too.
"""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator

import pytest
from engine import Engine
from oci_images import entry, tar

MIB = 1 << 20
PIECE = b"x" * MIB
WAYS = ["cp - c:/tmp", "cp -a - c:/tmp", "import -q - test/bomb", "load -q"]


def header(name: str, size: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(records: dict[str, str]) -> bytes:
    """A PAX extended header for the next entry."""
    data = b""
    for key, value in records.items():
        rest = f" {key}={value}\n".encode()
        length = len(rest) + len(str(len(rest) + len(str(len(rest)))))
        data += str(length).encode() + rest
    return header("pax", len(data), tarfile.XHDTYPE) + data + bytes(-len(data) % 512)


def huge_pax(kind: bytes, megabytes: int) -> Iterator[bytes]:
    """One extended header of so many MiB, as one record, and a file."""
    size = megabytes * MIB
    start = f"{size} comment=".encode()
    yield header("pax", size, kind) + start
    for n in range(megabytes):
        yield PIECE[len(start) + 1 if n == 0 else 0 :]
    yield b"\n" + tar(entry("f", b"x"))


def huge_name(kind: bytes, megabytes: int) -> Iterator[bytes]:
    yield header("././@LongLink", megabytes * MIB, kind)
    for _ in range(megabytes):
        yield PIECE
    yield tar(entry("f", b"x"))


def squeezed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same, compressed: the sender sends a few kilobytes only."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
        for piece in pieces:
            file.write(piece)
    yield out.getvalue()


BOMBS: dict[str, Callable[[], Iterator[bytes]]] = {
    "extended header": lambda: huge_pax(tarfile.XHDTYPE, 80),
    "global header": lambda: huge_pax(tarfile.XGLTYPE, 80),
    "compressed header": lambda: squeezed(huge_pax(tarfile.XHDTYPE, 80)),
    "long name": lambda: huge_name(tarfile.GNUTYPE_LONGNAME, 80),
    "long link": lambda: huge_name(tarfile.GNUTYPE_LONGLINK, 80),
}


MEASURE = """
import resource, subprocess, sys
# whatever goes wrong, the machine keeps its memory and its disk
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 30, 2 << 30))
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, end="")
sys.exit(code)
"""
"""A process of its own: the memory that it counts does not begin with the tests'."""


def fed(engine: Engine, command: str, pieces: Iterator[bytes]) -> tuple[int, str, int, float]:
    """Exit status, errors, most memory of any process (KiB) and seconds of `command`."""
    began = time.monotonic()
    measure = [sys.executable, "-I", "-S", "-c", MEASURE]
    process = subprocess.Popen(
        engine.command(*command.split(), wrap=measure),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    assert process.stdin and process.stdout and process.stderr
    try:
        for piece in pieces:
            process.stdin.write(piece)
    except BrokenPipeError:
        pass  # refused: it does not read on
    process.stdin.close()
    process.stdin = None
    out, errors = process.communicate(timeout=60)
    kib = int(out.split(b"\n")[-1])
    return process.returncode, errors.decode(), kib, time.monotonic() - began


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("way", WAYS)
def test_headers_cost_no_memory(engine: Engine, way: str, bomb: str) -> None:
    engine.ok("create", "--network", "none", "--name", "c", "busybox")
    code, errors, kib, seconds = fed(engine, way, BOMBS[bomb]())
    engine.run("rmi", "-f", "test/bomb")
    assert kib < 120 * 1024, f"{kib >> 10} MiB"
    assert code != 0 and errors.count("\n") == 1, errors
    assert "internal" not in errors and "Traceback" not in errors, errors
    assert seconds < 15


def sparse_pax(size: int) -> bytes:
    """GNU's sparse format 1.0: `size` bytes, of which the first four are there."""
    data = b"1\n0\n4\n".ljust(512, b"\0") + b"data"
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "holes",
               "GNU.sparse.realsize": str(size)}  # fmt: skip
    return pax(records) + tar(entry("GNUSparseFile.0/holes", data))


def sparse_gnu(size: int) -> bytes:
    """The same in the old format, type S."""
    made = bytearray(header("holes", 4, tarfile.GNUTYPE_SPARSE))
    made[386:398], made[398:410] = b"%011o\0" % 0, b"%011o\0" % 4
    made[483:495] = b"\x80" + size.to_bytes(11, "big")
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made)
    return bytes(made) + b"data".ljust(512, b"\0") + bytes(1024)


@pytest.mark.parametrize("kind", [sparse_pax, sparse_gnu])
@pytest.mark.parametrize("way", WAYS[:2])
def test_holes_are_holes_or_refused(engine: Engine, way: str, kind: Callable[[int], bytes]) -> None:
    """One GiB of holes in a kilobyte, and 2^50 bytes: never written out as zeros."""
    engine.ok("create", "--network", "none", "--name", "c", "busybox")
    for size in (1 << 30, 1 << 50):
        code, errors, kib, seconds = fed(engine, way, iter([kind(size)]))
        files = list(engine.root.glob("containers/*/upper/tmp/holes"))
        used = sum(path.stat().st_blocks * 512 for path in files)
        assert used < MIB, f"{used >> 20} MiB written for {size >> 30} GiB of holes"
        assert seconds < 5 and kib < 120 * 1024
        assert "internal" not in errors and errors.count("\n") <= 1
        assert code == 125 or (files and files[0].stat().st_size == size)


def test_what_is_honest_still_goes(engine: Engine) -> None:
    """Long names, comments and attributes of reasonable size, and a sparse file of GNU tar."""
    engine.ok("create", "--network", "none", "--name", "c", "busybox")
    info, data = entry("x" * 200 + "/" + "y" * 200, b"content")
    info.pax_headers = {"comment": "c" * 100_000, "mtime": "1600000000.5"}
    done = engine.run("cp", "-", "c:/tmp", input=tar((info, data)))
    assert (done.code, done.err) == (0, "")
    out = engine.run("cp", f"c:/tmp/{info.name}", "-", check=True).raw
    with tarfile.open(fileobj=io.BytesIO(out)) as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member)
        assert content and content.read() == b"content"
