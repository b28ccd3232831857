"""--output: what it means, file systems in directories and archives, images in files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from crun_py.apart import apart
from crun_py.build.draft import Draft
from crun_py.build.layer import NewLayer, Times
from crun_py.build.output import Output, parse, write_image, write_tree
from crun_py.errors import CrunpyError, InvalidArgument
from crun_py.oci.store import blobs
from crun_py.paths import Paths

PARSED = [
    ("out", Output(type="local", dest="/d/out")),
    ("/out", Output(type="local", dest="/out")),
    ("-", Output(type="tar", dest="-")),
    ("type=local,dest=out", Output(type="local", dest="/d/out")),
    ("type=tar", Output(type="tar", dest="-")),
    ("type=tar,dest=x.tar", Output(type="tar", dest="/d/x.tar")),
    ('type=tar,"dest=a,b"', Output(type="tar", dest="/d/a,b")),
    ("type=oci,dest=x", Output(type="oci", dest="/d/x")),
    ("type=oci", Output(type="oci", dest="-")),
    ("type=oci,dest=x,tar=false", Output(type="oci", dest="/d/x", tar=False)),
    ("type=docker,dest=x", Output(type="docker", dest="/d/x")),
    ("type=docker", Output(type="image")),
    ("type=docker,name=a", Output(type="image", names=("a",))),
    ("type=image,name=a,push=true", Output(type="image", names=("a",), push=True)),
    ('type=image,"name=a,b:1"', Output(type="image", names=("a", "b:1"))),
    ("type=registry,name=a", Output(type="registry", names=("a",), push=True)),
    ("type=cacheonly", Output(type="cacheonly")),
    ("cacheonly", Output(type="cacheonly")),
    ("type=oci,dest=x,compression=zstd,compression-level=3",
     Output(type="oci", dest="/d/x", compression="zstd", level=3)),
    ("type=oci,dest=x,compression=uncompressed",
     Output(type="oci", dest="/d/x", compression="none")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PARSED)
def test_what_an_output_means(text: str, expected: Output) -> None:
    assert parse(text, "/d") == expected


@pytest.mark.parametrize(
    "text", ["", "dest=x", "type=", "type=zip,dest=x", "type=local", "type=local,dest=-",
             "type=local,dest=x,push=true", "type=tar,name=x", "type=cacheonly,dest=x",
             "type=oci,tar=false", "type=oci,dest=-,tar=false", "type=docker,dest=x,tar=false",
             "type=oci,dest=x,tar=maybe", "type=oci,compression=rar", "type=tar,dset=x",
             "type=oci,compression-level=high", "type=image,name", 'type=tar,"dest=x'],
)  # fmt: skip
def test_what_is_no_output(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text, "/d")


def test_a_mistyped_word_is_answered() -> None:
    for text, hint in (("type=tra,dest=x", "tar"), ("type=tar,dset=x", "dest")):
        with pytest.raises(InvalidArgument) as caught:
            parse(text, "/")
        assert caught.value.hint == f"did you mean {hint}?"


# ---- file systems ----


@pytest.fixture
def trees(tmp_path: Path) -> list[str]:
    """Two layers; the upper one hides, replaces and adds."""
    base, top = tmp_path / "base", tmp_path / "top"
    for directory in (base / "etc", base / "old", base / "dev", top / "etc", top / "bin"):
        directory.mkdir(parents=True)
    (base / "etc/a").write_text("base")
    (base / "etc/b").write_text("b")
    (base / "etc/gone").write_text("x")
    (base / "old/x").write_text("x")
    os.mknod(base / "dev/null", 0o20666, os.makedev(1, 3))
    os.mkfifo(base / "fifo")
    (top / "etc/a").write_text("top")
    os.mknod(top / "etc/gone", 0o20000, 0)
    os.mknod(top / "old", 0o20000, 0)
    (top / "bin/su").write_text("su")
    os.chown(top / "bin/su", 0, 12)
    os.chmod(top / "bin/su", 0o6755)
    os.link(top / "bin/su", top / "bin/sudo")
    (top / "link").symlink_to("/etc/a")
    os.chown(base / "etc/b", 1000, 1001)
    os.utime(base / "etc/b", (1_000_000_000, 1_000_000_000))
    return [str(base), str(top)]


@pytest.fixture
def where(tmp_path: Path) -> str:
    (tmp_path / "where").mkdir()
    return str(tmp_path / "where")


def test_a_directory_gets_what_the_layers_show(
    trees: list[str], where: str, tmp_path: Path
) -> None:
    out = tmp_path / "new/out"
    apart(lambda: write_tree(trees, parse(str(out), "/"), where))
    assert sorted(os.listdir(out)) == ["bin", "dev", "etc", "fifo", "link"]
    assert sorted(os.listdir(out / "etc")) == ["a", "b"]
    assert (out / "etc/a").read_text() == "top"
    found = (out / "etc/b").stat()
    assert (found.st_uid, found.st_gid, found.st_mtime) == (1000, 1001, 1_000_000_000)
    assert os.readlink(out / "link") == "/etc/a"
    assert (out / "bin/su").stat().st_ino == (out / "bin/sudo").stat().st_ino
    assert stat.S_IMODE((out / "bin/su").stat().st_mode) == 0o6755
    assert os.listdir(out / "dev") == []
    assert os.listdir(where) == []


def test_it_is_merged_with_what_is_there(trees: list[str], where: str, tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    (out / "etc").mkdir(parents=True)
    outside.mkdir()
    (outside / "a").write_text("mine")
    (out / "etc/a").symlink_to(outside / "a")
    (out / "etc/kept").write_text("kept")
    (out / "bin").symlink_to(outside)
    out.chmod(0o700)
    with pytest.raises(CrunpyError, match=f"writing {out}: "):
        apart(lambda: write_tree(trees, parse(str(out), "/"), where))
    (out / "bin").unlink()
    apart(lambda: write_tree(trees, parse(str(out), "/"), where))
    assert (out / "etc/a").read_text() == "top" and not (out / "etc/a").is_symlink()
    assert (outside / "a").read_text() == "mine" and os.listdir(outside) == ["a"]
    assert (out / "etc/kept").exists()
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_one_layer_and_none(trees: list[str], where: str, tmp_path: Path) -> None:
    apart(lambda: write_tree(trees[:1], parse(str(tmp_path / "one"), "/"), where))
    assert (tmp_path / "one/etc/gone").exists()
    apart(lambda: write_tree([], parse(str(tmp_path / "none"), "/"), where))
    assert os.listdir(tmp_path / "none") == []


def test_a_file_in_the_place_of_the_directory(trees: list[str], where: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(CrunpyError, match="a file is there"):
        apart(lambda: write_tree(trees, parse(str(tmp_path / "out"), "/"), where))


def test_a_plain_user_owns_all_and_gets_no_setuid_programs(
    trees: list[str], where: str, tmp_path: Path
) -> None:
    code = (
        "import sys; from crun_py.build.output import *\n"
        "write_tree(sys.argv[3:], parse(sys.argv[1], '/'), sys.argv[2])"
    )
    words = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", code]
    subprocess.run([*words, str(tmp_path / "out"), where, trees[1]], check=True, timeout=30)
    found = (tmp_path / "out/bin/su").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, 0o755)


def members(path: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(path) as archive:
        return {member.name: member for member in archive.getmembers()}


def test_an_archive(trees: list[str], where: str, tmp_path: Path) -> None:
    out = tmp_path / "out.tar"
    apart(lambda: write_tree(trees, parse(f"type=tar,dest={out}", "/"), where))
    found = members(out)
    assert sorted(found) == ["bin", "bin/su", "bin/sudo", "dev", "dev/null", "etc", "etc/a",
                             "etc/b", "fifo", "link"]  # fmt: skip
    assert (found["etc/b"].uid, found["etc/b"].gid) == (1000, 1001)
    assert found["bin/su"].mode == 0o6755 and found["bin/sudo"].islnk()


def test_an_archive_on_standard_output(trees: list[str], where: str, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as f:
        apart(lambda: write_tree(trees, parse("-", "/"), where, f.fileno()))
    assert "etc/a" in members(tmp_path / "out")
    terminal, slave = os.openpty()
    with pytest.raises(CrunpyError, match="terminal"):
        apart(lambda: write_tree(trees, parse("-", "/"), where, slave))
    os.close(terminal)
    os.close(slave)


def test_an_archive_that_cannot_be_written(trees: list[str], where: str) -> None:
    with pytest.raises(CrunpyError, match="writing /dev/full: no space left"):
        apart(lambda: write_tree(trees, parse("type=tar,dest=/dev/full", "/"), where))


# ---- images ----


@pytest.fixture
def image(tmp_path: Path) -> tuple[Paths, str]:
    """A store, and the digest of an image that was built in it."""
    paths = Paths(str(tmp_path / "root"), str(tmp_path / "run"))
    blobs.prepare(paths)
    draft = Draft.scratch(paths, "oci", "linux/amd64", "key")
    layer = NewLayer(paths, [], [], "")
    Path(layer.tree, "file").write_text("content" * 1000)
    draft.add_layer(layer.commit(Times()))
    draft.note("2026-01-01T00:00:00Z", "COPY file /", empty=False)
    return paths, draft.save([]).digest


def blob_of(read: Callable[[str], bytes], digest: str) -> bytes:
    return read("blobs/" + digest.replace(":", "/"))


@pytest.mark.parametrize("compression", ["", "gzip", "zstd", "uncompressed"])
def test_an_oci_archive(image: tuple[Paths, str], tmp_path: Path, compression: str) -> None:
    out = tmp_path / "x.tar"
    more = f",compression={compression}" if compression else ""
    name = "docker.io/library/x:1"
    write_image(*image, [name], parse(f"type=oci,dest={out}{more}", "/"))
    with tarfile.open(out) as archive:

        def read(path: str) -> bytes:
            found = archive.extractfile(path)
            assert found
            return found.read()

        index = json.loads(read("index.json"))
        assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == name
        manifest = json.loads(blob_of(read, index["manifests"][0]["digest"]))
        (layer,) = manifest["layers"]
        kind = "" if compression in ("", "uncompressed") else f"+{compression}"
        assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar" + kind
        assert len(blob_of(read, layer["digest"])) == layer["size"]


def test_an_oci_directory(image: tuple[Paths, str], tmp_path: Path) -> None:
    write_image(*image, [], parse(f"type=oci,dest={tmp_path}/x,tar=false", "/"))
    assert sorted(os.listdir(tmp_path / "x")) == ["blobs", "index.json", "oci-layout"]


def test_a_docker_archive_on_standard_output(image: tuple[Paths, str], tmp_path: Path) -> None:
    with (tmp_path / "x.tar").open("wb") as f:
        output = parse("type=docker,dest=-", "/")
        write_image(*image, ["docker.io/library/x:1"], output, f.fileno())
    with tarfile.open(tmp_path / "x.tar") as archive:
        found = archive.extractfile("manifest.json")
        assert found and json.load(found)[0]["RepoTags"] == ["x:1"]
