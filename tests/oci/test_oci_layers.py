"""Unpacking: what a layer's tar may do to the tree, and that it does nothing elsewhere."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oci_images import directory, entry, hardlink, snapshot, symlink, tar

from crun_py.errors import CrunpyError, ImageError
from crun_py.oci.chain import diff_path
from crun_py.oci.store import layers
from crun_py.oci.store.layers import Limits, Stage
from crun_py.paths import Paths

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "store"), str(tmp_path / "run"))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    top = tmp_path / "canary"
    (top / "d").mkdir(parents=True)
    (top / "f").write_text("tweet")
    (top / "d/g").write_text("tweet")
    return top


def unpack(
    paths: Paths, data: bytes, *, below: list[str] | None = None, limits: Limits | None = None,
    piece: int = 100_000,
) -> Path:  # fmt: skip
    """The tree of the unpacked layer."""
    stage = Stage(paths, limits=limits)
    name = os.urandom(32).hex()
    try:
        for at in range(0, len(data), piece):
            stage.feed(data[at : at + piece])
        stage.finish()
        stage.unpacked("sha256:" + name, "sha256:" + name, below or [])
    finally:
        stage.discard()
    return Path(diff_path(paths, "sha256:" + name))


def refused(paths: Paths, data: bytes, match: str, **how: Limits) -> None:
    with pytest.raises(ImageError, match=match):
        unpack(paths, data, **how)
    assert [n for n in os.listdir(paths.layers) if n != ".lock"] == []


# ---- what is right ----


def test_kinds_of_entries(paths: Paths) -> None:
    data = tar(
        directory("./", mode=0o750, uid=7, gid=8, mtime=1_500_000_000),
        directory("d", mode=0o2711, uid=1, gid=2, mtime=1_400_000_000),
        entry("d/setuid", b"x" * 1000, mode=0o4755, uid=3, gid=4),
        hardlink("d/hard", "d/setuid"),
        symlink("d/soft", "/etc/passwd"),
        entry("fifo", type=tarfile.FIFOTYPE, mode=0o622),
        entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        entry("empty"),
        entry("implied/parent/file", b"y"),
    )
    top = unpack(paths, data)
    assert stat.S_IMODE(top.stat().st_mode) == 0o750
    assert (top.stat().st_uid, top.stat().st_mtime) == (7, 1_500_000_000)
    d = (top / "d").stat()
    assert (stat.S_IMODE(d.st_mode), d.st_uid, d.st_gid, d.st_mtime) == (0o2711, 1, 2, 1.4e9)
    f = (top / "d/setuid").stat()
    assert (stat.S_IMODE(f.st_mode), f.st_uid, f.st_gid, f.st_nlink) == (0o4755, 3, 4, 2)
    assert f.st_mtime == 1_600_000_000
    assert os.readlink(top / "d/soft") == "/etc/passwd"
    assert stat.S_ISFIFO((top / "fifo").stat().st_mode)
    assert stat.S_IMODE((top / "fifo").stat().st_mode) == 0o622
    assert (top / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_IMODE((top / "implied").stat().st_mode) == 0o755
    assert (top / "implied/parent/file").read_bytes() == b"y"
    assert stat.S_IMODE(Path(paths.layers).stat().st_mode) == 0o700
    assert stat.S_IMODE(top.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("piece", [1, 7, 511, 512, 513, 1 << 20])
def test_formats_and_pieces(paths: Paths, format: int, piece: int) -> None:
    long = "d" * 90 + "/" + "n" * 90
    entries = [entry(long, b"long"), entry("small", b"1" * 513)]
    if format != tarfile.USTAR_FORMAT:
        entries += [
            entry("e/" * 80 + "x" * 200, b"longer", uid=3_000_000, gid=4_000_000_000),
            symlink("link", "t/" * 200),
        ]
    top = unpack(paths, tar(*entries, format=format), piece=piece)
    assert (top / long).read_bytes() == b"long"
    assert (top / "small").read_bytes() == b"1" * 513
    if format != tarfile.USTAR_FORMAT:
        found = top / ("e/" * 80 + "x" * 200)
        assert found.read_bytes() == b"longer"
        assert (found.stat().st_uid, found.stat().st_gid) == (3_000_000, 4_000_000_000)
        assert os.readlink(top / "link") == "t/" * 200


def test_pax_times_and_xattrs(paths: Paths) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    records = {
        "mtime": "-1.5",
        "SCHILY.xattr.user.kept": "value",
        "SCHILY.xattr.user.overlay.opaque": "y",
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.security.selinux": "x",
        "SCHILY.xattr.security.capability": capability.decode("latin-1"),
    }
    info, content = entry("f", b"x", pax_headers=records)
    info.pax_headers["SCHILY.xattr.security.capability"] = capability.decode(
        "utf-8", "surrogateescape"
    )
    top = unpack(paths, tar((info, content)))
    assert sorted(os.listxattr(top / "f")) == ["security.capability", "user.kept"]
    assert os.getxattr(top / "f", "security.capability") == capability
    assert (top / "f").stat().st_mtime_ns == -1_500_000_000


def test_same_tree_as_gnu_tar(paths: Paths, tmp_path: Path) -> None:
    data = tar(
        directory("a", mode=0o700), entry("a/f", b"1", mode=0o600, uid=9), symlink("s", "a"),
        entry("s/through", b"2"), entry("a/f", b"later", mode=0o640), hardlink("h", "a/f"),
    )  # fmt: skip
    top = unpack(paths, data)
    other = tmp_path / "gnu"
    other.mkdir(mode=0o755)
    subprocess.run(["tar", "-xp", "--numeric-owner", "-C", other], input=data, check=True)
    ours, theirs = snapshot(top), snapshot(other)
    for name in ours.keys() | theirs.keys():
        if name in (".", "a"):  # times of directories that change after their entry
            continue
        assert ours[name] == theirs[name], name


def test_later_entries_replace(paths: Paths) -> None:
    top = unpack(
        paths,
        tar(
            directory("d"),
            entry("d/x", b"1"),
            entry("d", b"now a file"),
            entry("f", b"1"),
            directory("f"),
            entry("f/y", b"2"),
            symlink("l", "f"),
            directory("l"),
            entry("l/z", b"3"),
        ),
    )
    assert (top / "d").read_bytes() == b"now a file"
    assert (top / "f/y").read_bytes() == b"2"
    assert not (top / "l").is_symlink()
    assert (top / "l/z").read_bytes() == b"3"
    assert not (top / "f/z").exists()


# ---- whiteouts ----


def is_whiteout(path: Path) -> bool:
    st = path.lstat()
    return stat.S_ISCHR(st.st_mode) and st.st_rdev == 0


def opaque(path: Path) -> bool:
    return "trusted.overlay.opaque" in os.listxattr(path)


def test_whiteouts(paths: Paths) -> None:
    names = "d/gone o/below early/below both1 both2 dir1/below dir2/below".split()
    base = unpack(paths, tar(*(entry(name) for name in names)))
    top = unpack(
        paths,
        tar(
            entry("d/.wh.gone"),
            entry("o/.wh..wh..opq"),
            entry("o/kept", b"1"),
            entry("early/file", b"2"),
            entry("early/.wh..wh..opq"),
            entry(".wh.both1"),
            entry("both1", b"3"),
            entry("both2", b"4"),
            entry(".wh.both2"),
            entry(".wh.dir1"),
            directory("dir1"),
            entry("dir1/a"),
            directory("dir2"),
            entry("dir2/a"),
            entry(".wh.dir2"),
            entry(".wh..wh.plnk/1.2", b"aufs"),
            entry(".wh..wh.aufs"),
        ),
        below=[str(base)],
    )
    assert is_whiteout(top / "d/gone")
    assert opaque(top / "o") and (top / "o/kept").read_bytes() == b"1"
    assert opaque(top / "early") and (top / "early/file").read_bytes() == b"2"
    assert (top / "both1").read_bytes() == b"3"
    assert (top / "both2").read_bytes() == b"4"
    assert opaque(top / "dir1") and (top / "dir1/a").exists()
    assert opaque(top / "dir2") and (top / "dir2/a").exists()
    assert not [p for p in top.rglob("*") if p.name.startswith(".wh.")]


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh...", ".wh.x/y"])
def test_bad_whiteouts(paths: Paths, name: str) -> None:
    refused(paths, tar(entry(name)), "whiteout")


# ---- attacks ----


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "..", "a/../..", "n" * 256, "d/" * 300 + "x", "/" * 20 + "../x"],
)
def test_names_that_leave(paths: Paths, canary: Path, name: str) -> None:
    before = snapshot(canary.parent)
    refused(paths, tar(entry(name, b"bad")), "entry .*(\\.\\.|too long)")
    before.pop("."), (after := snapshot(canary.parent)).pop(".")
    assert {k: v for k, v in after.items() if not k.startswith("store")} == before


def test_absolute_names_stay_inside(paths: Paths, canary: Path) -> None:
    before = snapshot(canary)
    top = unpack(paths, tar(entry(f"{canary}/f", b"bad"), entry("///etc/x", b"1")))
    assert snapshot(canary) == before
    assert (top / "etc/x").read_bytes() == b"1"
    assert (top / str(canary)[1:] / "f").read_bytes() == b"bad"


@pytest.mark.parametrize("target", ["{canary}", "../../../../../../../../../..{canary}", "/"])
def test_nothing_goes_through_a_link(paths: Paths, canary: Path, target: str) -> None:
    before = snapshot(canary)
    link = target.format(canary=canary)
    inside = "" if link != "/" else str(canary)[1:] + "/"
    top = unpack(
        paths,
        tar(
            symlink("l", link),
            entry(f"l/{inside}f", b"bad"),
            directory(f"l/{inside}d", mode=0o777, uid=5),
            entry(f"l/{inside}d/.wh.g"),
            entry(f"l/{inside}.wh..wh..opq"),
            directory("l/" + inside, mode=0o777),
        ),
    )
    assert snapshot(canary) == before
    assert top.is_dir()


@pytest.mark.parametrize("target", ["../canary/f", "{canary}/f", "{canary}", "d", "l", "../../x"])
def test_hard_links_stay_inside(paths: Paths, canary: Path, target: str) -> None:
    before = snapshot(canary)
    data = tar(
        directory("d"),
        symlink("l", str(canary / "f")),
        hardlink("h", target.format(canary=canary)),
        entry("h", b"overwritten", mode=0o777),
    )
    try:
        unpack(paths, data)
    except ImageError as e:
        assert "entry h" in e.message or "entry 'h'" in e.message
    assert snapshot(canary) == before


def test_entry_through_a_hard_linked_symlink(paths: Paths, canary: Path) -> None:
    before = snapshot(canary)
    unpack(
        paths,
        tar(
            symlink("l", str(canary)),
            hardlink("h", "l"),
            entry("h/f", b"bad"),
            entry("h", b"", mode=0o777, uid=12),
            entry("l", b"", mode=0o777),
        ),
    )
    assert snapshot(canary) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.REGTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("name", [".", "/", "/."])
def test_the_root_is_a_directory(paths: Paths, canary: Path, kind: bytes, name: str) -> None:
    info, _ = entry(name, type=kind, linkname=str(canary) if kind != tarfile.REGTYPE else "")
    data = tar((info, b""), format=tarfile.USTAR_FORMAT)
    if kind == tarfile.REGTYPE and name == "/":  # before POSIX a slash meant a directory
        unpack(paths, data)
        return
    refused(paths, data, "root")


def patched(data: bytes, at: int, value: bytes) -> bytes:
    """`data` with a header field changed and the checksum corrected."""
    header = bytearray(data[:512])
    header[at : at + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


@pytest.mark.parametrize(
    ("at", "value", "match"),
    [
        (124, b"\xff" * 12, "negative size"),
        (124, b"\x80" + b"\x7f" * 11, "out of range"),
        (124, b"\x80" + b"\0" * 3 + b"\x7f" * 8, "more than"),
        (124, b"0000000000z\0", "malformed number"),
        (108, b"\xff" * 8, "owner"),
        (108, b"\x80\0\0\0\xff\xff\xff\xff", "owner"),
        (156, b"S", "sparse"),
        (156, b"V", "unknown type"),
        (156, b"\xff", "unknown type"),
    ],
)
def test_bad_headers(paths: Paths, at: int, value: bytes, match: str) -> None:
    data = tar(entry("f", b"x" * 10), format=tarfile.USTAR_FORMAT)
    refused(paths, patched(data, at, value), match)


def test_malformed_streams(paths: Paths) -> None:
    data = tar(entry("f", b"x" * 1000))
    refused(paths, data[:700], "ends in the middle")
    refused(paths, b"garbage" * 200, "checksum")
    refused(paths, bytes(512) + data, "goes on")
    top = unpack(paths, data + b"trailing garbage")
    assert (top / "f").stat().st_size == 1000


def pax(*records: bytes) -> bytes:
    """An archive of one file with these PAX records as they are."""
    body = b"".join(records)
    info = tarfile.TarInfo("pax")
    info.size, info.type = len(body), b"x"
    header = info.tobuf(tarfile.USTAR_FORMAT)
    return header + body + bytes(-len(body) % 512) + tar(entry("f"), format=tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(
    "record",
    [
        b"11 path=../\n", b"12 path=a\0b\n", b"99 path=x\n", b"8 path=x\n", b"x path=x\n",
        b"9 pathxx\n",
        b"12 size=-10\n", b"29 size=99999999999999999999\n", b"10 uid=-1\n", b"18 uid=4294967295\n",
        b"22 GNU.sparse.major=1\n", b"12 mtime=1x\n", b"9 size=1", b"6 =x\n ",
    ],
)  # fmt: skip
def test_bad_pax_headers(paths: Paths, record: bytes) -> None:
    refused(paths, pax(record), "unpacking a layer")


def test_limits(paths: Paths) -> None:
    refused(paths, tar(entry("f", b"x" * 2000)), "more than 1000 bytes", limits=Limits(bytes=1000))
    many = tar(*(entry(str(n)) for n in range(20)))
    refused(paths, many, "more than 10 entries", limits=Limits(entries=10))
    info = tarfile.TarInfo("pax")
    info.size, info.type = 400 << 20, b"x"
    started = time.monotonic()
    refused(paths, info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20), "header of 419430400 bytes")
    assert time.monotonic() - started < 2


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    names=st.lists(
        st.text("abl./\n-\u00e9", min_size=1, max_size=12) | st.just(".wh.a") | st.just("l/f"),
        min_size=1, max_size=6,
    ),
    kinds=st.lists(st.sampled_from("fdslo"), min_size=6, max_size=6),
)  # fmt: skip
def test_no_archive_touches_the_canary(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], kinds: list[str]
) -> None:
    top = tmp_path_factory.mktemp("x")
    canary = top / "canary"
    canary.mkdir()
    (canary / "f").write_text("tweet")
    before = snapshot(canary)
    entries = [symlink("l", str(canary)), symlink("a", "../../../canary")]
    for name, kind in zip(names, kinds, strict=False):
        entries.append(
            {
                "f": entry(name, b"bad", mode=0o777, uid=9),
                "d": directory(name, mode=0o777, uid=9),
                "s": symlink(name, str(canary / "f")),
                "l": hardlink(name, "l/f"),
                "o": entry(name + "/.wh..wh..opq"),
            }[kind]
        )
    try:
        unpack(Paths(str(top / "store"), str(top / "run")), tar(*entries))
    except CrunpyError:
        assert True
    assert snapshot(canary) == before


# ---- lower layers ----


def test_implied_directories_are_as_below(paths: Paths) -> None:
    base = unpack(
        paths,
        tar(
            directory("./", mode=0o711, uid=3),
            directory("etc", mode=0o750, uid=5, gid=6, mtime=1_300_000_000),
            directory("gone", mode=0o700, uid=5),
            directory("etc/opaque", mode=0o700, uid=5),
            directory("etc/opaque/sub", uid=8),
        ),
    )
    middle = unpack(
        paths,
        tar(entry(".wh.gone"), entry("etc/opaque/.wh..wh..opq")),
        below=[str(base)],
    )
    top = unpack(
        paths,
        tar(entry("etc/x", b"1"), entry("gone/y", b"2"), entry("etc/opaque/sub/z")),
        below=[str(base), str(middle)],
    )
    found = (top / "etc").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o750, 5, 6)
    assert found.st_mtime == 1_300_000_000
    assert (top.stat().st_uid, stat.S_IMODE(top.stat().st_mode)) == (3, 0o711)
    gone = (top / "gone").stat()
    assert (gone.st_uid, stat.S_IMODE(gone.st_mode)) == (0, 0o755)
    assert (top / "etc/opaque").stat().st_uid == 5
    assert (top / "etc/opaque/sub").stat().st_uid == 0
    assert opaque(middle / "etc/opaque")


def test_hard_link_to_a_lower_layer(paths: Paths, canary: Path) -> None:
    base = unpack(
        paths, tar(entry("a/f", b"below", mode=0o4711, uid=5), symlink("a/s", str(canary / "f")))
    )
    top = unpack(
        paths,
        tar(hardlink("b/g", "a/f"), hardlink("b/h", "b/g"), hardlink("b/s", "a/s")),
        below=[str(base)],
    )
    st_g = (top / "b/g").stat()
    assert (top / "b/g").read_bytes() == b"below"
    assert (stat.S_IMODE(st_g.st_mode), st_g.st_uid) == (0o4711, 5)
    assert (top / "b/h").read_bytes() == b"below"
    assert os.readlink(top / "b/s") == str(canary / "f")
    with pytest.raises(ImageError, match="not a file of this or a lower layer"):
        unpack(paths, tar(hardlink("b/g", "a/none")), below=[str(base)])
    with pytest.raises(ImageError, match="not a file of this or a lower layer"):
        unpack(paths, tar(symlink("q", "/"), hardlink("b/g", "q/etc")), below=[str(base)])


# ---- stages ----


def test_sweep_takes_only_the_dead(paths: Paths) -> None:
    alive = Stage(paths)
    script = (
        "import sys,os; from crun_py.oci.store.layers import Stage;"
        "from crun_py.paths import Paths;"
        "s=Stage(Paths(sys.argv[1], sys.argv[1]+'/run')); s.feed(sys.stdin.buffer.read());"
        "os.kill(os.getpid(), 9)"
    )
    data = tar(directory("d"), entry("d/f", b"x"))[:-1024]
    subprocess.run([sys.executable, "-c", script, paths.root], input=data, check=False)
    assert len([n for n in os.listdir(paths.layers) if n.startswith(".staging")]) == 2
    assert layers.sweep(paths) == 1
    assert os.path.isdir(alive.path)
    alive.discard()
    assert layers.sweep(paths) == 0


def test_memory_of_many_names_is_bounded(paths: Paths) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for n in range(3000):
            info, _ = directory(f"{n:05}")
            archive.addfile(info)
    top = unpack(paths, out.getvalue())
    assert len(os.listdir(top)) == 3000
