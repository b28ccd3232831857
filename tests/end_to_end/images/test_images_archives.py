"""save and load, and images in files: oci:, oci-archive:, docker-archive:, dir:."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import images
import pytest
import zstandard
from engine import Engine
from mirror import Registry
from oci_images import TestImage, digest_of, directory, entry, hardlink, symlink, tar

NONE = ("run", "--rm", "--network", "none")
FORMATS = ("docker-archive", "oci-archive", "oci-dir", "docker-dir")


@pytest.fixture
def store(engine: Engine, fresh: Callable[[str], Engine]) -> Engine:
    """A store with busybox alone."""
    made = fresh("user" if engine.rootless else "root")
    made.ok("pull", "-q", "busybox")
    return made


@pytest.fixture
def two(store: Engine, registry: Registry) -> Engine:
    """busybox, and an image on top of it with two tags."""
    name = registry.push("test/two", images.image(registry.busybox, tar(entry("two", b"2"))))
    store.ok("pull", "-q", name)
    store.ok("tag", name, name + ":b")
    return store


def names(engine: Engine) -> set[str]:
    return set(engine.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split())


def emptied(engine: Engine) -> Engine:
    engine.ok("rmi", "-a")
    return engine


@pytest.mark.parametrize("form", FORMATS)
def test_round_trip(store: Engine, form: str) -> None:
    digest, image_id = (store.inspect("busybox")[k] for k in ("Digest", "Id"))
    path = store.home / "saved"
    assert store.ok("save", "--format", form, "-o", path, "busybox") == ""
    told = emptied(store).ok("load", "-i", path)
    if form == "docker-dir":
        assert told == f"Loaded image ID: {image_id}"
        store.ok("tag", image_id, "busybox")
    else:
        assert told == "Loaded image: busybox:latest"
    assert store.inspect("busybox")["Digest"] == digest, "the bytes are the same"
    assert store.ok(*NONE, "busybox", "echo", "x") == "x"


def _sizes(directory: Path) -> list[int]:
    made = json.loads((directory / "manifest.json").read_text())["layers"]
    return [(directory / layer["digest"][7:]).stat().st_size for layer in made]


def test_save_with_another_compression(store: Engine, registry: Registry) -> None:
    """--uncompressed writes plain layers, --compress such as gzip; both are loaded again."""
    before = store.inspect("busybox")
    at = {name: store.home / name for name in ("kept", "plain", "packed", "layout")}
    store.ok("save", "--format", "docker-dir", "-o", at["kept"], "busybox")
    store.ok("save", "--format", "docker-dir", "--uncompressed", "-o", at["plain"], "busybox")
    store.ok("save", "--format", "oci-dir", "--uncompressed", "-o", at["layout"], "busybox")
    assert _sizes(at["plain"]) == [len(registry.busybox)] > _sizes(at["kept"])
    again = json.loads((at["plain"] / "manifest.json").read_text())["layers"]
    assert again[0]["mediaType"].endswith("tar")
    assert again[0]["digest"] == before["RootFS"]["Layers"][0]
    emptied(store).ok("load", "-i", at["layout"])
    assert store.inspect("busybox")["Id"] == before["Id"]
    store.ok("save", "--compress", "--format", "docker-dir", "-o", at["packed"], "busybox")
    assert _sizes(at["packed"]) < _sizes(at["plain"])
    emptied(store).ok("pull", "-q", f"dir:{at['packed']}")
    assert store.ok("images", "-q", "--no-trunc") == before["Id"]
    for words in (["--format", "oci-dir"], [], ["--format", "docker-dir", "--uncompressed"]):
        assert "--compress goes with --format docker-dir" in store.fails(
            "save", "--compress", *words, "-o", store.home / "no", "busybox"
        )
    assert not (store.home / "no").exists()


@pytest.mark.parametrize("index", ["[]", '{"manifests": 5}', '{"manifests": ["x"]}'])
def test_a_layout_whose_index_is_none_gets_no_image(store: Engine, index: str) -> None:
    place = store.home / "spoilt"
    place.mkdir(exist_ok=True)
    place.chmod(0o777)
    (place / "index.json").write_text(index)
    said = store.fails("save", "--format", "oci-dir", "-o", place, "busybox")
    assert "its index.json is not an index" in said
    assert [file.name for file in place.iterdir()] == ["index.json"]
    assert (place / "index.json").read_text() == index


def test_a_short_name_is_saved_in_full(store: Engine) -> None:
    """As it is run: the one name on any registry that it is the end of."""
    store.ok("tag", "busybox", "reg.example.org/team/app:v1")
    saved = store.run("save", "team/app:v1").raw
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        listed = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert listed[0]["RepoTags"] == ["reg.example.org/team/app:v1"]


def test_several_images_and_streams(two: Engine) -> None:
    whole = two.run("save", "busybox", "test/two").raw
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        members = archive.getnames()
        listed = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert [e["RepoTags"] for e in listed] == [["busybox:latest"],
                                               ["test/two:latest", "test/two:b"]]  # fmt: skip
    assert len(members) == len(set(members)), "a shared layer is there once"
    done = emptied(two).run("load", input=whole)
    all_three = ["busybox:latest", "test/two:latest", "test/two:b"]
    assert done.out.splitlines() == [f"Loaded image: {n}" for n in all_three]
    assert names(two) == {"busybox:latest", "test/two:latest", "test/two:b"}
    one = two.run("save", "test/two:b").raw
    assert emptied(two).ok("load", "-q", input=one) == "Loaded image: test/two:b"
    by_id = two.run("image", "save", two.ok("images", "-q")).raw
    assert emptied(two).ok("image", "load", input=by_id).startswith("Loaded image ID: sha256:")
    assert "no such image" in two.fails("save", "-o", two.home / "x", "nosuch")
    assert not (two.home / "x").exists()


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, zstandard.compress, lzma.compress, bz2.compress,
     lambda b: gzip.compress(b[:5000]) + gzip.compress(b[5000:])],
    ids=["gzip", "zstd", "xz", "bzip2", "gzip members"],
)  # fmt: skip
def test_compressed_archives(root: Engine, pack: Callable[[bytes], bytes]) -> None:
    whole = pack(root.run("save", "busybox").raw)
    file = root.home / "packed"
    file.write_bytes(whole)
    assert root.ok("load", "-i", file) == "Loaded image: busybox:latest"
    assert root.run("load", input=whole).out == "Loaded image: busybox:latest\n"
    file.write_bytes(whole[: len(whole) // 2])
    root.fails("load", "-q", "-i", file)
    assert root.ok("images", "-q")


def test_terminals_are_refused(root: Engine) -> None:
    for words in (("save", "busybox"), ("load",)):
        terminal = root.pty(*words)
        assert terminal.wait() == 125 and b"is a terminal" in terminal.seen


def test_transports(two: Engine) -> None:
    """push to files, pull and run from them."""
    image_id = two.inspect("busybox")["Id"]
    home = two.home
    places = {
        f"oci:{home}/layout:v1": "localhost/layout:v1",
        f"oci-archive:{home}/a.tar:v2": "localhost/a.tar:v2",
        f"docker-archive:{home}/d.tar:some/name:3": "some/name:3",
        f"dir:{home}/dir": "localhost/dir:latest",
    }
    for place in places:
        two.ok("push", "-q", "busybox", place)
    two.ok("push", "-q", "test/two", f"oci:{home}/layout:other")
    emptied(two)
    for place, name in places.items():
        assert two.ok("pull", "-q", place) == image_id, place
        assert name in names(two)
        emptied(two)
        if "-archive" not in place:
            assert two.ok(*NONE, "-q", place, "echo", "x") == "x", place
    assert two.ok(*NONE, "-q", f"oci:{home}/layout:other", "cat", "/two") == "2"
    assert "2 images" in two.fails("pull", "-q", f"oci:{home}/layout")
    assert "no such image" in two.fails("pull", "-q", f"oci:{home}/layout:nosuch")
    assert "no such directory" in two.fails("pull", "-q", "oci:/nosuch:x")
    assert "no path" in two.fails("pull", "-q", "dir:")
    assert "not supported" in two.fails("pull", "-q", "docker-daemon:busybox")
    assert two.run("pull", "-q", "docker://busybox").code == 0
    assert two.ok(*NONE, "--pull=never", "docker://busybox", "echo", "y") == "y"


def test_podman_and_skopeo_read_and_write(root: Engine, base: Path) -> None:
    podman = ["podman", "--root", base / "podman-s", "--runroot", base / "podman-s-run",
              "--storage-driver", "vfs"]  # fmt: skip

    def run(*words: object) -> str:
        done = subprocess.run([*podman, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    image_id = root.inspect("busybox")["Id"][7:]
    for form in FORMATS:
        path = root.home / f"ours-{form}"
        root.ok("save", "--format", form, "-o", path, "busybox")
        told = run("load", "-q", "-i", path)
        assert told.startswith("Loaded image: "), form
        if form.endswith("archive"):  # podman names what comes from a directory by its path
            assert "docker.io/library/busybox:latest" in told
        assert image_id in run("images", "-q", "--no-trunc"), form
    run("tag", image_id, "localhost/mine:1")
    for form in FORMATS:
        path = root.home / f"theirs-{form}"
        run("save", "-q", "--format", form, "-o", path, "localhost/mine:1")
        told = root.ok("load", "-q", "-i", path)
        if form == "docker-dir":
            assert told == f"Loaded image ID: sha256:{image_id}"
            continue
        assert told == "Loaded image: localhost/mine:1", form
        assert root.inspect("localhost/mine:1")["Id"][7:] == image_id
        assert root.ok(*NONE, "localhost/mine:1", "echo", form) == form
        root.ok("rmi", "localhost/mine:1")
    oci = root.home / "ours-oci-archive"
    shown = subprocess.run(["skopeo", "inspect", f"oci-archive:{oci}"], capture_output=True)
    assert json.loads(shown.stdout)["Digest"] == root.inspect("busybox")["Digest"]
    file = root.home / "by-skopeo.tar"
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", f"oci-archive:{oci}",
                    f"docker-archive:{file}:by/skopeo:1"], check=True)  # fmt: skip
    assert root.ok("load", "-q", "-i", file) == "Loaded image: by/skopeo:1"
    root.ok("rmi", "-f", "by/skopeo:1")


def docker_archive(
    *layers: bytes,
    names: list[str] | None = None,
    pack: Callable[[bytes], bytes] = bytes,
    **changes: Any,
) -> bytes:
    """As older dockers wrote them: layers in directories, equal ones as links."""
    config = json.dumps({
        "architecture": images.ARCHITECTURE, "os": "linux", "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(t) for t in layers]},
    }).encode()  # fmt: skip
    entries = [entry(f"{digest_of(config)[7:]}.json", config)]
    paths: list[str] = []
    for n, layer in enumerate(layers):
        entries.append(directory(f"layer{n}/"))
        path = f"layer{n}/layer.tar"
        same = [p for p, other in zip(paths, layers, strict=False) if other == layer]
        entries.append(symlink(path, f"../{same[0]}") if same else entry(path, pack(layer)))
        paths.append(path)
    listed = [{
        "Config": f"{digest_of(config)[7:]}.json", "RepoTags": names or [], "Layers": paths,
        **changes,
    }]  # fmt: skip
    return tar(*entries, entry("manifest.json", json.dumps(listed).encode()))


def test_old_docker_archive(store: Engine, registry: Registry) -> None:
    top = tar(entry("f", b"top"))
    data = docker_archive(registry.busybox, top, top, names=["old:1", "quay.io/x/old:2"])
    told = store.run("load", input=data)
    assert told.out.splitlines() == ["Loaded image: old:1", "Loaded image: quay.io/x/old:2"]
    assert store.ok(*NONE, "old:1", "cat", "/f") == "top"
    packed = docker_archive(registry.busybox, top, names=["old:3"], pack=gzip.compress)
    assert store.ok("load", "-q", input=packed) == "Loaded image: old:3"
    assert store.ok(*NONE, "old:3", "cat", "/f") == "top"
    # its layers were not compressed: a registry gets them compressed, and the id stays
    name = f"{store.registry}/test/{store.home.name}"
    store.ok("push", "-q", "old:1", name)
    raw = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"],
                         capture_output=True, check=True)  # fmt: skip
    found = json.loads(raw.stdout)
    assert all(layer["mediaType"].endswith("+gzip") for layer in found["layers"])
    assert found["config"]["digest"] == store.inspect("old:1")["Id"]


BAD: dict[str, tuple[bytes, str]] = {
    "no archive": (b"hello" * 300, "not a tar archive"),
    "empty": (b"", "is empty"),
    "a root file system": (tar(directory("etc"), entry("etc/passwd", b"x")), "imported"),
    "name above": (tar(entry("../evil", b"x")), "leads out"),
    "name absolute": (tar(entry("/etc/evil", b"x")), "not an archive of images"),
    "link above": (tar(symlink("a/layer.tar", "../../etc/passwd")), "leads out"),
    "link absolute": (tar(symlink("manifest.json", "/etc/passwd")), "not an archive of images"),
    "hard link above": (tar(hardlink("manifest.json", "../etc/passwd")), "leads out"),
    "device": (tar(entry("manifest.json", type=tarfile.CHRTYPE)), "neither"),
    "link to itself": (tar(symlink("manifest.json", "manifest.json")), "imported"),
    "layer outside": (docker_archive(b"", Layers=["../../../etc/passwd"]), "leads out"),
    "config outside": (docker_archive(Config="/etc/passwd"), "it has no 'etc/passwd'"),
    "config missing": (docker_archive(Config="nosuch"), "it has no 'nosuch'"),
    "tags are numbers": (docker_archive(RepoTags=[1]), "not that of a docker archive"),
    "tag is no reference": (docker_archive(RepoTags=["../../x"]), "reading reference"),
    "layers do not fit": (docker_archive(b"x", b"y", Layers=["layer0/layer.tar"]), "diff_ids"),
    "manifest is no list": (tar(entry("manifest.json", b"{}")), "lists no images"),
    "manifest is no json": (tar(entry("manifest.json", b"{]")), "not valid JSON"),
    "deep json": (tar(entry("manifest.json", b"[" * 200_000)), "not valid JSON"),
    "cut": (docker_archive(tar(entry("f", b"x" * 5000)))[:4096], "in the middle"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_archives(root: Engine, what: str) -> None:
    data, message = BAD[what]
    shown = ("images", "--format", "{{.ID}} {{.Digest}} {{.Repository}}:{{.Tag}}")
    before = root.ok(*shown), sorted((root.root / "layers").iterdir())
    told = root.fails("load", "-q", input=data)
    assert told.startswith("loading standard input: ") and message in told
    assert before == (root.ok(*shown), sorted((root.root / "layers").iterdir()))


def layout(**changes: Any) -> tuple[TestImage, dict[str, bytes]]:
    made = TestImage(tar(entry("f", b"x" * 3000)), architecture=images.ARCHITECTURE)
    descriptor = {"mediaType": "application/vnd.oci.image.manifest.v1+json",
                  "digest": made.digest, "size": len(made.manifest), **changes}  # fmt: skip
    files = {f"blobs/sha256/{d[7:]}": b for d, b in made.blobs.items()}
    files[f"blobs/sha256/{made.digest[7:]}"] = made.manifest
    files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode()
    return made, files


def test_bad_layouts(root: Engine) -> None:
    """Digests in them are never paths; wrong bytes never get in."""
    (root.home / "canary").write_text("secret")

    def refused(files: dict[str, bytes], message: str) -> None:
        before = sorted(p.name for p in (root.root / "images/blobs/sha256").iterdir())
        told = root.fails("load", "-q", input=tar(*(entry(n, b) for n, b in files.items())))
        assert message in told, told
        assert before == sorted(p.name for p in (root.root / "images/blobs/sha256").iterdir())

    for digest in ("sha256:../../../canary", "sha256:" + "A" * 64, "x", 5, None):
        refused(layout(digest=digest)[1], "digest")
    made, files = layout()
    for digest in made.blobs:
        name = f"blobs/sha256/{digest[7:]}"
        refused({**files, name: files[name][:-1] + b"?"}, "")
        refused({**files, name: files[name] + b"?"}, "")
        refused({n: b for n, b in files.items() if n != name}, "it has no")
    name = f"blobs/sha256/{made.digest[7:]}"
    refused({**files, name: files[name].replace(b"{", b" {", 1)}, "digest")
    refused({**files, "index.json": b"[]"}, "index.json")
    value = {"schemaVersion": 2, "manifests": ["x"]}
    refused({**files, "index.json": json.dumps(value).encode()}, "index.json")


def test_attacks_on_the_reader(root: Engine) -> None:
    """What has made Python's tarfile loop or eat the memory."""
    negative = bytearray(tar(entry("a", b"x")))
    negative[124:136] = b"\xff" * 12
    negative[148:156] = b" " * 8
    negative[148:156] = b"%06o\0 " % sum(negative[:512])
    assert "negative" in root.fails("load", "-q", input=bytes(negative))
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 400 << 20
    assert "header that is too large" in root.fails("load", "-q", input=header.tobuf())
    many = gzip.compress(tarfile.TarInfo("e").tobuf() * 200_001, 1)
    assert "entries" in root.fails("load", "-q", input=many)
