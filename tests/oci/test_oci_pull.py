"""Pulling from a real registry: the store afterwards, and at any instant before."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from engine import wait_for
from oci_images import (
    INDEX,
    LAYER,
    MANIFEST,
    TestImage,
    digest_of,
    directory,
    docker_registry,
    entry,
    hardlink,
    push,
    tar,
)

from crun_py.errors import CrunpyError, ImageError, NotFound, RegistryError
from crun_py.model.registry import Progress
from crun_py.oci.registry.access import Access
from crun_py.oci.registry.patience import Patience
from crun_py.oci.store import gc
from crun_py.oci.store.images import ImageStore
from crun_py.oci.transfer.pull import pull
from crun_py.paths import Paths

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")
FAST = Patience(first_backoff_s=0.01, max_backoff_s=0.05)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path / "store"), str(tmp_path / "run"))


def noise(n: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(n)


def three_layers(seed: int = 0, size: int = 200_000) -> TestImage:
    return TestImage(
        tar(directory("./", uid=1), directory("etc", uid=2, mode=0o750), entry("etc/a", b"a")),
        tar(entry("etc/b", noise(size, seed)), hardlink("etc/c", "etc/a")),
        tar(entry("etc/.wh.b"), entry("big", noise(size, seed + 1))),
    )


def test_pull(host: str, paths: Paths, tmp_path: Path) -> None:
    image = three_layers()
    push(image, f"{host}/a/b:1", tmp_path)
    events: list[Progress] = []
    found = pull(paths, f"{host}/a/b:1", progress=events.append)
    assert found.id == image.id
    assert found.names == [f"{host}/a/b:1"]
    assert found.digest == image.digest
    assert found.config == image.config
    assert found.created == "2026-01-02T03:04:05Z"
    assert found.size == 400_001
    base, middle, top = map(Path, found.layers)
    assert (base / "etc/a").read_bytes() == b"a"
    assert (middle / "etc/c").read_bytes() == b"a"
    assert (middle / "etc").stat().st_uid == 2
    assert (top.stat().st_uid, (top / "etc").stat().st_uid) == (1, 2)
    assert {e.phase for e in events} >= {"resolving", "downloading", "done"}
    again: list[Progress] = []
    assert pull(paths, f"{host}/a/b:1", progress=again.append).id == image.id
    assert {e.phase for e in again} == {"resolving", "exists"}
    listed = subprocess.run(
        ["skopeo", "inspect", "--raw", f"oci:{paths.images}:{host}/a/b:1"],
        capture_output=True, check=True,
    )  # fmt: skip
    assert listed.stdout == image.manifest
    by_digest = pull(paths, f"{host}/a/b@{image.digest}")
    assert sorted(by_digest.names) == [f"{host}/a/b:1", f"{host}/a/b@{image.digest}"]


def test_shared_layers_and_moved_tags(host: str, paths: Paths, tmp_path: Path) -> None:
    one, base = three_layers(5), tar(directory("./", uid=1))
    two = TestImage(base, base, base)
    push(one, f"{host}/moved:t", tmp_path)
    first = pull(paths, f"{host}/moved:t")
    push(two, f"{host}/moved:t", tmp_path)
    second = pull(paths, f"{host}/moved:t")
    assert len(set(second.layers)) == 3  # one blob, three chain ids
    store = ImageStore(paths)
    assert store.find(first.id).names == []
    assert store.find(f"{host}/moved:t").id == second.id


def test_compressions(host: str, paths: Paths, tmp_path: Path) -> None:
    plain = tar(entry("f", b"z" * 3_000_000))
    image = TestImage(plain, plain, plain, plain)
    parts = gzip.compress(plain[:1000]) + gzip.compress(plain[1000:])
    zstd = zstandard.ZstdCompressor()
    frames = zstd.compress(plain[:1000]) + zstd.compress(plain[1000:])
    oci = LAYER.removesuffix("+gzip")
    value = dict(image.value)
    value["layers"] = [
        image.put(parts, LAYER),
        image.put(frames, oci + "+zstd"),
        image.put(plain, oci),
        image.put(gzip.compress(plain) + b"\0" * 100, LAYER),
    ]
    serve(image, value)
    push(image, f"{host}/compressed:t", tmp_path)
    found = pull(paths, f"{host}/compressed:t")
    for layer in found.layers:
        assert Path(layer, "f").stat().st_size == 3_000_000


def serve(image: TestImage, value: dict[str, object]) -> None:
    """`image` is to have the manifest `value`."""
    image.manifest = json.dumps(value).encode()
    image.digest = digest_of(image.manifest)


def test_not_there(host: str, paths: Paths) -> None:
    with pytest.raises(RegistryError) as caught:
        pull(paths, f"{host}/nosuch:1")
    assert caught.value.message.startswith(f"pulling {host}/nosuch:1: registry {host}: ")
    with pytest.raises(RegistryError, match="connection refused") as caught:
        pull(paths, "127.0.0.1:1/x", access=Access(patience=FAST))
    assert caught.value.hint


def test_two_at_once(host: str, paths: Paths, tmp_path: Path) -> None:
    image = three_layers(20, 3_000_000)
    push(image, f"{host}/twice:1", tmp_path)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(pull(paths, f"{host}/twice:1").id))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [image.id] * 4
    assert whole(paths)


def whole(paths: Paths) -> bool:
    """Nothing but finished parts is in the store, and every blob is what it is called."""
    gc.sweep(paths)
    left = [n for n in os.listdir(paths.layers) if len(n) != 64 and n != ".lock"]
    parts = [n for n in os.listdir(paths.images + "/.staging") if n.endswith(".part")]
    for name in os.listdir(paths.images + "/blobs/sha256"):
        data = Path(paths.images, "blobs/sha256", name).read_bytes()
        assert digest_of(data) == "sha256:" + name
    return not left and not parts


PULL = (
    "import sys; from crun_py.oci.transfer.pull import pull; from crun_py.paths import Paths;"
    "pull(Paths(sys.argv[1], sys.argv[2]), sys.argv[3])"
)


def test_killed_at_any_time(host: str, paths: Paths, tmp_path: Path) -> None:
    image = three_layers(30, 8_000_000)
    push(image, f"{host}/killed:1", tmp_path)
    store = ImageStore(paths)
    for n in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", PULL, paths.root, paths.run, f"{host}/killed:1"]
        )
        time.sleep(0.2 + n * 0.05)
        child.send_signal(signal.SIGKILL)
        child.wait()
        store.list()
    found = pull(paths, f"{host}/killed:1")
    assert whole(paths)
    assert Path(found.layers[2], "big").read_bytes() == noise(8_000_000, 31)


def test_finished_layers_are_not_fetched_again(host: str, paths: Paths, tmp_path: Path) -> None:
    image = three_layers(40)
    push(image, f"{host}/part:1", tmp_path)
    seen: list[Progress] = []

    class Enough(BaseException):
        pass

    def stop(event: Progress) -> None:
        seen.append(event)
        if sum(e.phase == "done" for e in seen) == 2:
            raise Enough

    with pytest.raises(Enough):
        pull(paths, f"{host}/part:1", progress=stop)
    blobs = os.listdir(paths.images + "/blobs/sha256")
    assert len(blobs) >= 3  # config and two layers
    again: list[Progress] = []
    pull(paths, f"{host}/part:1", progress=again.append)
    fetched = {e.digest for e in again if e.phase == "downloading" and e.current}
    extracted = {e.digest for e in again if e.phase in ("extracting", "exists")}
    assert len(fetched - extracted) <= 1


def test_platforms(host: str, paths: Paths, tmp_path: Path) -> None:
    images = {
        name: TestImage(tar(entry(name)), architecture=name) for name in ("amd64", "arm64", "arm")
    }
    layout = tmp_path / "index"
    images["amd64"].write_layout(layout)
    entries = []
    for name, image in images.items():
        for digest, data in {**image.blobs, image.digest: image.manifest}.items():
            (layout / "blobs/sha256" / digest[7:]).write_bytes(data)
        entries.append(
            {
                "mediaType": MANIFEST, "digest": image.digest, "size": len(image.manifest),
                "platform": {"os": "linux", "architecture": name}
                | ({"variant": "v7"} if name == "arm" else {}),
            }
        )  # fmt: skip
    attestation = {**entries[0], "platform": {"os": "unknown", "architecture": "unknown"}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [attestation, *entries]}
    data = json.dumps(index).encode()
    (layout / "blobs/sha256" / digest_of(data)[7:]).write_bytes(data)
    top = {"mediaType": INDEX, "digest": digest_of(data), "size": len(data)}
    top["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    subprocess.run(
        ["skopeo", "copy", "-q", "--all", "--insecure-policy", "--dest-tls-verify=false",
         f"oci:{layout}:latest", f"docker://{host}/multi:1"], check=True,
    )  # fmt: skip
    for name in images:
        found = pull(paths, f"{host}/multi:1", platform=f"linux/{name}")
        assert found.config["architecture"] == name
        assert found.repo_digests == [f"{host}/multi@{digest_of(data)}"]
    assert pull(paths, f"{host}/multi:1", platform="linux/arm/v8").config["architecture"] == "arm"
    with pytest.raises(ImageError, match="amd64, linux/arm/v7, linux/arm64"):
        pull(paths, f"{host}/multi:1", platform="linux/s390x")
    push(images["arm64"], f"{host}/single:1", tmp_path)
    with pytest.raises(ImageError, match="it exists for linux/arm64") as caught:
        pull(paths, f"{host}/single:1", platform="linux/amd64")
    assert "--platform linux/arm64" in caught.value.hint


def test_full_disk(host: str, tmp_path: Path) -> None:
    image = three_layers(50, 6_000_000)
    small = TestImage(tar(entry("f", b"small")))
    push(image, f"{host}/full:1", tmp_path)
    push(small, f"{host}/small:1", tmp_path)
    for megabytes in (3, 8, 14, 20):
        mount = tmp_path / f"disk{megabytes}"
        mount.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", mount], check=True
        )
        try:
            paths = Paths(str(mount / "store"), str(mount / "run"))
            pull(paths, f"{host}/small:1")
            before = sorted(os.listdir(paths.images + "/blobs/sha256") + os.listdir(paths.layers))
            with pytest.raises(CrunpyError) as caught:
                pull(paths, f"{host}/full:1")
            assert caught.value.message == f"pulling {host}/full:1: no space left on device"
            after = sorted(os.listdir(paths.images + "/blobs/sha256") + os.listdir(paths.layers))
            assert after == before
            (mount / "filler").write_bytes(b"")
            with (mount / "filler").open("ab", buffering=0) as filler:
                try:
                    while True:
                        filler.write(bytes(4096))
                except OSError:
                    assert filler.tell()
            store = ImageStore(paths)
            assert [i.id for i in store.list()] == [small.id]
            lines = store.remove(f"{host}/small:1")
            assert lines[:2] == [f"Untagged: {host}/small:1", f"Deleted: sha256:{small.id}"]
            assert store.list() == []
        finally:
            subprocess.run(["umount", mount], check=True)


def test_memory_is_bounded(host: str, paths: Paths, tmp_path: Path) -> None:
    image = TestImage(*(tar(entry(f"zeros{n}", bytes(60_000_000))) for n in range(4)))
    push(image, f"{host}/zeros:1", tmp_path)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    child = subprocess.run(
        [sys.executable, "-c",
         PULL + ";import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)",
         paths.root, paths.run, f"{host}/zeros:1"], capture_output=True, text=True, check=True,
    )  # fmt: skip
    # ru_maxrss survives exec(2), so this process counts as well
    assert int(child.stdout) < max(100_000, before, resource.getrusage(0).ru_maxrss + 40_000)


# ---- the store ----


def test_store(host: str, paths: Paths, tmp_path: Path) -> None:
    image, other = three_layers(60), TestImage(tar(entry("x")))
    push(image, f"{host}/lib/app:1", tmp_path)
    push(other, f"{host}/lib/other:1", tmp_path)
    pull(paths, f"{host}/lib/app:1")
    pull(paths, f"{host}/lib/other:1")
    store = ImageStore(paths)
    assert [i.id for i in store.list()] == [image.id, other.id]
    for text in (image.id, image.id[:8], "sha256:" + image.id, "lib/app:1", f"{host}/lib/app:1"):
        assert store.find(text).id == image.id
    with pytest.raises(NotFound, match="no such image: nothing"):
        store.find("nothing")
    store.tag(image.id[:12], "app")
    assert store.find("app").familiar_names == [f"{host}/lib/app:1", "app:latest"]
    with pytest.raises(CrunpyError, match="several names"):
        store.remove(image.id)
    assert store.remove("app") == ["Untagged: app:latest"]
    with pytest.raises(CrunpyError, match="container 0123456789ab uses it"):
        store.remove(f"{host}/lib/app:1", in_use=lambda _: ["container 0123456789ab"])
    with pytest.raises(CrunpyError, match="running container 0123456789ab uses it"):
        store.remove(image.id, force=True, in_use=lambda _: ["running container 0123456789ab"])
    store.untag(f"{host}/lib/app:1")
    assert store.find(image.id).names == []
    lines = store.remove(image.id)
    assert lines[0] == f"Deleted: sha256:{image.id}"
    assert len(lines) == 4
    assert [i.id for i in store.list()] == [other.id]
    assert len(os.listdir(paths.images + "/blobs/sha256")) == 3
    assert Path(store.find(other.id).layers[0], "x").exists()
    store.tag(other.id, "again:2")
    assert store.untag("again:2") == "docker.io/library/again:2"
    assert store.remove(store.find(other.id))[-2:] == [
        f"Deleted: sha256:{other.id}", f"Deleted: {other.config['rootfs']['diff_ids'][0]}"
    ]  # fmt: skip
    assert os.listdir(paths.images + "/blobs/sha256") == []


def test_index_is_what_another_tool_wrote(paths: Paths, tmp_path: Path) -> None:
    image = three_layers(70)
    image.write_layout(tmp_path / "layout", "docker.io/library/foreign:1")
    Path(paths.root).mkdir()
    (tmp_path / "layout").rename(paths.images)
    store = ImageStore(paths)
    assert store.find("foreign:1").id == image.id
    assert len(store.find("foreign:1").layers) == 3


def test_many_entries_are_quick_to_list(paths: Paths, host: str, tmp_path: Path) -> None:
    image = TestImage(tar(entry("x")))
    push(image, f"{host}/many:1", tmp_path)
    pull(paths, f"{host}/many:1")
    store = ImageStore(paths)
    for n in range(30):
        store.tag(image.id, f"name{n}")
    started = time.monotonic()
    assert len(store.list()[0].names) == 31
    assert time.monotonic() - started < 1


def test_imports_are_light() -> None:
    code = (
        "import sys; import crun_py.oci.store.images, crun_py.oci.reference;"
        "print(sorted({'httpx','re','dataclasses','pathlib','subprocess','hashlib','typing',"
        "'json','contextlib'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "[]", out.stderr


def test_bomb(host: str, paths: Paths, tmp_path: Path) -> None:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9, mtime=0) as packed:
        info = tarfile.TarInfo("bomb")
        info.size = 1 << 40
        packed.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(64):
            packed.write(bytes(1 << 20))
    image = TestImage(tar())
    value = {**image.value, "layers": [image.put(out.getvalue(), LAYER)]}
    serve(image, value)
    push(image, f"{host}/bomb:1", tmp_path)
    with pytest.raises(ImageError, match="entry bomb: the layer unpacks to more than"):
        pull(paths, f"{host}/bomb:1")
    assert whole(paths)


@pytest.mark.parametrize(("owner", "ids"), [(0, 1), (1000, 1), (0, 2), (1000, 2)])
def test_in_a_user_namespace(host: str, paths: Paths, tmp_path: Path, owner: int, ids: int) -> None:
    """Where there is one id, all files are root's."""
    image = TestImage(
        tar(
            entry("f", uid=owner),
            entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
            entry("d/.wh.gone"),
            entry("d/.wh..wh..opq"),
        )
    )
    push(image, f"{host}/user{owner}-{ids}:1", tmp_path)
    process = subprocess.Popen(
        ["unshare", "-U", "sh", "-c", 'read go; exec "$@"', "sh", sys.executable, "-c", PULL,
         paths.root, paths.run, f"{host}/user{owner}-{ids}:1"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    own = os.readlink("/proc/self/ns/user")
    wait_for(lambda: os.readlink(f"/proc/{process.pid}/ns/user") != own)
    for kind in ("uid", "gid"):
        Path(f"/proc/{process.pid}/{kind}_map").write_text(f"0 0 {ids}")
    _, err = process.communicate("go\n", timeout=60)
    if owner and ids > 1:
        assert "entry f: owner 1000:0 is not mapped: needs more ids: /etc/subuid" in err
        return
    assert process.returncode == 0, err
    top = Path(ImageStore(paths).find(image.id).layers[0])
    assert not (top / "d").exists()  # its markers hide nothing: there is no layer below
    assert not (top / "null").exists()
    assert (top / "f").stat().st_uid == 0
