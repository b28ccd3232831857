"""ADD: what is an archive, what becomes of one, and what is fetched."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from archives import PACKED, node, tar
from served import DATE_S, served

from crun_py.build import add
from crun_py.build.transfer import Target
from crun_py.errors import CrunpyError, ImageError, InvalidArgument

SMALL = tar(("a", b"one"))


def archive(path: Path) -> bool:
    fd = os.open(path, os.O_RDONLY)
    try:
        return add.is_archive(fd)
    finally:
        assert os.lseek(fd, 0, os.SEEK_CUR) == 0
        os.close(fd)


@pytest.mark.parametrize("kind", PACKED)
def test_archives_are_known_by_their_content(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.txt").write_bytes(PACKED[kind](SMALL))
    assert archive(tmp_path / "x.txt")


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize(
    "content", [b"", b"text", bytes(10240), b"x" * 4096, SMALL[:300], SMALL[1:]]
)
def test_other_files_are_none(tmp_path: Path, kind: str, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(PACKED[kind](content))
    assert not archive(tmp_path / "x.tar")


@pytest.mark.parametrize("kind", PACKED)
def test_damaged_compression_is_no_archive(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.tar").write_bytes(PACKED[kind](b"text")[:6] + b"\xff" * 600)
    assert not archive(tmp_path / "x.tar")


def test_directories_and_pipes_are_none(tmp_path: Path) -> None:
    assert not archive(tmp_path)
    heard, told = os.pipe()
    assert not add.is_archive(heard)
    os.close(heard)
    os.close(told)


# ---- unpacking ----


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


def unpack(
    root: Path, data: bytes, directory: str = "/", owner: tuple[int, int] | None = None
) -> None:
    (root.parent / "x.tar").write_bytes(data)
    top = os.open(root, os.O_PATH | os.O_DIRECTORY)
    fd = os.open(root.parent / "x.tar", os.O_RDONLY)
    try:
        add.unpack(fd, Target(top, owner, None), directory, "x.tar")
    finally:
        os.close(fd)
        os.close(top)


@pytest.mark.parametrize("kind", PACKED)
def test_an_archive_goes_into_a_directory_that_is_made(root: Path, kind: str) -> None:
    unpack(root, PACKED[kind](tar(("a", b"one"), ("d", None), ("d/b", b"two"))), "/opt/app/")
    assert (root / "opt/app/a").read_bytes() == b"one"
    found = (root / "opt/app/d/b").stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert found.st_mtime == 1_000_000_000
    assert (root / "opt/app/d").stat().st_mtime == 1_000_000_000


def test_owners_are_those_of_the_archive_or_the_one_given(root: Path) -> None:
    data = tar(("d", None), node("d/a", tarfile.REGTYPE, uid=12, gid=34, mode=0o4755))
    unpack(root, data)
    found = (root / "d/a").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12, 34, 0o4755)
    unpack(root, data, "/e", owner=(5, 6))
    for path in ("e", "e/d", "e/d/a"):
        assert ((root / path).stat().st_uid, (root / path).stat().st_gid) == (5, 6)


def test_links_to_directories_are_followed_inside_the_root(root: Path, tmp_path: Path) -> None:
    (root / "usr/bin").mkdir(parents=True)
    (root / "bin").symlink_to("/usr/bin")
    (root / "out").symlink_to(tmp_path)
    unpack(root, tar(("bin/sh", b"sh")))
    assert (root / "usr/bin/sh").read_bytes() == b"sh"
    assert (root / "bin").is_symlink()
    with pytest.raises(CrunpyError):
        unpack(root, tar(("out/evil", b"x")))
    assert not (tmp_path / "evil").exists()
    unpack(root, SMALL, "/bin")
    assert (root / "usr/bin/a").read_bytes() == b"one"


def test_what_is_in_the_way_is_replaced(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (root / "link").symlink_to(outside)
    (root / "file").write_text("old")
    (root / "tree/deep").mkdir(parents=True)
    unpack(root, tar(("link", b"new"), ("file", None), ("tree", b"now a file")))
    assert outside.read_text() == "mine"
    assert (root / "link").read_bytes() == b"new" and not (root / "link").is_symlink()
    assert (root / "file").is_dir()
    assert (root / "tree").read_bytes() == b"now a file"


def test_names_of_whiteouts_are_names(root: Path) -> None:
    (root / "a").write_text("stays")
    unpack(root, tar((".wh.a", b""), (".wh..wh..opq", b"x")))
    assert (root / "a").exists() and (root / ".wh.a").exists()
    assert (root / ".wh..wh..opq").read_bytes() == b"x"


HOSTILE = [
    tar(("../evil", b"x")),
    tar(("a/../../evil", b"x")),
    tar(node("l", tarfile.SYMTYPE, "/tmp"), ("l/../../evil", b"x")),
    tar(node("l", tarfile.LNKTYPE, "../../etc/passwd")),
    tar(node("l", tarfile.LNKTYPE, "nothing")),
    tar(("/".join("d" * 300), b"x")),
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_archives_are_refused(root: Path, data: bytes) -> None:
    with pytest.raises(CrunpyError):
        unpack(root, data, "/x")
    assert not (root / "evil").exists() and not (root.parent / "evil").exists()


def test_a_path_through_a_link_of_the_archive_stays_inside(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CrunpyError):
        unpack(root, tar(node("l", tarfile.SYMTYPE, str(tmp_path)), ("l/evil", b"x")))
    assert not (tmp_path / "evil").exists()


def test_an_absolute_name_is_below_the_directory(root: Path) -> None:
    unpack(root, tar(("/etc/x", b"1")), "/d")
    assert (root / "d/etc/x").read_bytes() == b"1"


@pytest.mark.parametrize("kind", PACKED)
def test_an_archive_that_ends_early_is_named(root: Path, kind: str) -> None:
    whole = PACKED[kind](tar(("a", os.urandom(200_000))))
    with pytest.raises(ImageError, match=r"reading x\.tar: "):
        unpack(root, whole[: len(whole) // 2])


def test_a_bomb_is_refused(root: Path) -> None:
    import zstandard

    whole = zstandard.ZstdCompressor().compressobj()
    info = tarfile.TarInfo("a")
    info.size = 3 << 30
    data = whole.compress(info.tobuf())
    piece = bytes(64 << 20)
    for _ in range(20):
        data += whole.compress(piece)
    data += whole.flush()
    with pytest.raises(ImageError, match="times its size"):
        unpack(root, data)


def test_a_file_in_the_place_of_the_directory_is_an_error(root: Path) -> None:
    (root / "f").write_text("")
    with pytest.raises(InvalidArgument, match="/f: a file is there"):
        unpack(root, SMALL, "/f")


# ---- URLs ----


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    files: dict[str, bytes | str] = {
        "/a/file.txt": b"text", "/dated.bin": b"\0" * 300_000, "/": b"root",
        "/moved": "/a/file.txt", "/meta": "http://169.254.169.254/latest", "/a%20b": b"space",
    }  # fmt: skip
    with served(files) as url:
        yield url


def test_a_file_is_fetched(server: str, tmp_path: Path) -> None:
    found = add.fetch_url(f"{server}/a/file.txt?x=/y", str(tmp_path))
    assert found.name == "file.txt" and found.mtime == 0
    assert Path(found.path).read_bytes() == b"text"
    about = os.stat(found.path)
    assert stat.S_IMODE(about.st_mode) == 0o600 and about.st_mtime == 0
    assert found.digest == "sha256:" + hashlib.sha256(b"text").hexdigest()


def test_its_time_is_what_the_server_says(server: str, tmp_path: Path) -> None:
    found = add.fetch_url(f"{server}/dated.bin", str(tmp_path))
    assert found.mtime == os.stat(found.path).st_mtime == DATE_S
    assert os.stat(found.path).st_size == 300_000


@pytest.mark.parametrize(
    ("path", "name"),
    [("/moved", "moved"), ("/", ""), ("/a%20b", "a b")],
)  # fmt: skip
def test_the_name_is_the_last_of_the_path(
    server: str, tmp_path: Path, path: str, name: str
) -> None:
    assert add.fetch_url(server + path, str(tmp_path)).name == name


@pytest.mark.parametrize("path", ["/..", "/a/.", "/%2e%2e", "/a%00b", "/x%2f.."])
def test_a_name_that_leads_elsewhere_is_none(path: str) -> None:
    assert add.name_of("http://x" + path) == ""


@pytest.mark.parametrize("kind", ["sha256", "sha512"])
def test_a_checksum_is_verified(server: str, tmp_path: Path, kind: str) -> None:
    good = f"{kind}:{hashlib.new(kind, b'text').hexdigest()}"
    assert add.fetch_url(f"{server}/a/file.txt", str(tmp_path), good).name == "file.txt"
    bad = good[:-1] + ("0" if good[-1] != "0" else "1")
    before = os.listdir(tmp_path)
    with pytest.raises(CrunpyError, match="its checksum is"):
        add.fetch_url(f"{server}/a/file.txt", str(tmp_path), bad)
    assert os.listdir(tmp_path) == before


@pytest.mark.parametrize("text", ["x", "sha256:", "sha256:abc", "md5:" + "0" * 32, "0" * 64])
def test_what_is_no_checksum(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        add.fetch_url("http://127.0.0.1:1/", str(tmp_path), text)


def test_failures_name_the_url_without_its_password(server: str, tmp_path: Path) -> None:
    url = server.replace("://", "://me:secret@") + "/none"
    with pytest.raises(CrunpyError, match="404 not found") as caught:
        add.fetch_url(url, str(tmp_path))
    assert "secret" not in caught.value.line()


def test_no_redirect_leads_to_metadata_of_a_cloud(server: str, tmp_path: Path) -> None:
    with pytest.raises(CrunpyError, match="address of this network only"):
        add.fetch_url(f"{server}/meta", str(tmp_path))
