"""push: to a real registry, to files; what is sent, and what other tools make of it."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import images
import pytest
import zstandard
from engine import Engine
from mirror import Registry
from oci_images import MANIFEST, OCI, TestImage, docker_registry, entry, push, tar

NONE = ("run", "--rm", "--network", "none")


@pytest.fixture(scope="module")
def target(base: Path) -> Iterator[str]:
    """A registry to push to, with an access log."""
    with docker_registry(base / "target") as host:
        yield host


@pytest.fixture
def store(engine: Engine, fresh: Callable[[str], Engine]) -> Engine:
    """A store with busybox alone."""
    made = fresh("user" if engine.rootless else "root")
    made.ok("pull", "-q", "busybox")
    return made


def skopeo(*args: object) -> Any:
    done = subprocess.run(["skopeo", *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if args[0] == "inspect" else done.stdout


def remote(reference: str, *args: str) -> Any:
    return skopeo("inspect", "--tls-verify=false", *args, f"docker://{reference}")


def layers_of(reference: str) -> list[Any]:
    return list(remote(reference, "--raw")["layers"])


def repo(name: str, engine: Engine) -> str:
    return f"{name}-{engine.home.name}"


def test_an_image_keeps_its_digest(store: Engine, target: str) -> None:
    name = f"{target}/{repo('same', store)}:v1"
    digest = store.inspect("busybox")["Digest"]
    store.ok("tag", "busybox", name)
    done = store.run("push", name)
    assert done.code == 0
    assert re.fullmatch(rf"v1: digest: {digest} size: \d+\n", done.out)
    lines = done.err.splitlines()
    assert lines[0] == f"The push refers to repository [{name[:-3]}]"
    assert any(line.endswith(": Preparing") for line in lines)
    assert any(re.fullmatch("[0-9a-f]{12}: Pushed", line) for line in lines)
    assert remote(name)["Digest"] == digest
    again = store.run("push", name)
    assert again.code == 0 and "Layer already exists" in again.err and "Pushed" not in again.err
    assert store.run("push", "-q", name).err == ""


def test_forms_of_a_destination(store: Engine, target: str) -> None:
    name = repo("forms", store)
    file = store.home / "digest"
    store.ok("push", "-q", "--digestfile", file, "busybox", f"docker://{target}/{name}:a")
    assert file.read_text() == remote(f"{target}/{name}:a")["Digest"]
    store.ok("push", store.ok("images", "-q"), f"{target}/{name}:b", "--remove-signatures",
             "--disable-content-trust", "--tls-verify=false", "--retry", "2")  # fmt: skip
    store.ok("tag", "busybox", f"{target}/{name}:one", f"{target}/{name}:two")
    store.ok("push", "-a", f"{target}/{name}")
    assert set(remote(f"{target}/{name}:one")["RepoTags"]) == {"a", "b", "one", "two"}
    assert "no such image" in store.fails("push", "nosuch")
    assert "takes a repository" in store.fails("push", "-a", f"{target}/{name}:x")
    message = store.fails("push", "-q", "busybox", "127.0.0.1:1/x:1")
    assert message.startswith("pushing 127.0.0.1:1/x:1: registry 127.0.0.1:1: connection refused")


def test_pull_all_tags(store: Engine, target: str) -> None:
    name = f"{target}/{repo('tags', store)}"
    for tag in "abc":
        store.ok("push", "-q", "busybox", f"{name}:{tag}")
    store.ok("rmi", "busybox")
    done = store.run("pull", "-a", name)
    assert done.code == 0 and "b: Pulling from" in done.err
    assert set(store.ok("images", "--format", "{{.Tag}}", name).split()) == {"a", "b", "c"}
    assert "excludes a tag" in store.fails("pull", "-a", name + ":a")
    assert "listing the tags" in store.fails("pull", "-q", "-a", f"{target}/nosuch")


def test_only_what_is_missing_is_sent(store: Engine, target: str, registry: Registry) -> None:
    """The shared layer is mounted from the other repository, and known in the same one."""
    base, top = (f"{target}/{repo(n, store)}" for n in ("base", "top"))
    store.ok("push", "-q", "busybox", base)
    store.ok("tag", "busybox", base)
    made = images.image(registry.busybox, tar(entry("more", store.home.name.encode() * 99)))
    store.ok("pull", "-q", registry.push("test/" + repo("more", store), made))
    more = "test/" + repo("more", store)
    told = store.run("push", more, top)
    assert told.code == 0, told.err
    mounted = base.partition("/")[2]
    assert re.search(f"[0-9a-f]{{12}}: Mounted from {mounted}", told.err)
    assert told.err.count(": Pushed") == 1
    told = store.run("push", more, base + ":more")
    assert told.err.count("Layer already exists") == 1 and told.err.count(": Pushed") == 1
    assert len(layers_of(top)) == 2


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_compression(store: Engine, target: str, kind: str) -> None:
    name = f"{target}/{repo(kind, store)}"
    store.ok("push", "-q", "--compression-format", kind, "--compression-level", "4",
             "--force-compression", "busybox", name)  # fmt: skip
    layer = layers_of(name)[0]
    assert layer["mediaType"] == f"{OCI}layer.v1.tar+{kind}"
    if kind == "zstd":
        assert layer["digest"] != layers_of(f"{store.registry}/library/busybox")[0]["digest"]
    image_id = store.ok("images", "-q", "--no-trunc")
    store.ok("rmi", "-f", image_id)
    store.ok("pull", "-q", name)
    assert store.ok("images", "-q", "--no-trunc") == image_id, "the id is that of the config"
    assert store.ok(*NONE, name, "echo", "x") == "x"
    shown = skopeo("inspect", "--tls-verify=false", "--config", f"docker://{name}")
    assert shown["os"] == "linux"


def test_formats_of_the_manifest(store: Engine, target: str) -> None:
    name = f"{target}/{repo('format', store)}"
    store.ok("push", "-q", "-f", "v2s2", "busybox", name)
    raw = remote(name, "--raw")
    docker = "application/vnd.docker."
    assert raw["mediaType"] == docker + "distribution.manifest.v2+json"
    assert raw["layers"][0]["mediaType"] == docker + "image.rootfs.diff.tar.gzip"
    assert raw["config"]["mediaType"] == docker + "container.image.v1+json"
    for words in (["-f", "v2s1"], ["--compression-format", "lzma"], ["--compression-level", "99"],
                  ["-f", "v2s2", "--compression-format", "zstd"]):  # fmt: skip
        store.fails("push", "-q", *words, "busybox", name)


def test_layers_are_compressed_anew(store: Engine, target: str) -> None:
    """By --force-compression, as gzip; and by a level, which makes them smaller or larger."""
    name = f"{target}/{repo('anew', store)}"

    def pushed(*options: str) -> Any:
        store.ok("push", "-q", *options, "busybox", name)
        return layers_of(name)[0]

    plain = pushed()
    assert pushed("--compression-format", "gzip") == plain
    forced = pushed("--force-compression")
    assert "gzip" in forced["mediaType"] and forced["digest"] != plain["digest"]
    fast, small = (pushed("--compression-level", n) for n in "19")
    assert fast["size"] > small["size"]
    store.ok("push", "-q", "--compression-format", "zstd", "busybox", name)
    store.ok("pull", "-q", name)
    store.ok("push", "-q", "--force-compression", name)
    assert "gzip" in layers_of(name)[0]["mediaType"]


def test_push_compress_is_for_directories(store: Engine, target: str) -> None:
    store.ok("save", "--format", "oci-dir", "--uncompressed", "-o", store.home / "l", "busybox")
    store.ok("rmi", "-a")
    store.ok("load", "-q", "-i", store.home / "l")
    for words, kind in (((), "tar"), (("--compress",), "gzip")):
        path = store.home / kind
        store.ok("push", "-q", *words, "busybox", f"dir:{path}")
        (layer,) = json.loads((path / "manifest.json").read_text())["layers"]
        assert layer["mediaType"].endswith(kind)
    for place in (target + "/x", f"oci:{store.home}/o"):
        assert "--compress goes with dir: only" in store.fails(
            "push", "--compress", "busybox", place
        )
    for option in ("--sign-by", "--sign-by-sigstore-private-key"):
        message = store.fails("push", option, "me", "busybox", target + "/x")
        assert message.startswith(f"pushing with {option}: signing is not supported")


def test_content_trust_is_told_to_be_absent(store: Engine, target: str) -> None:
    name = f"{target}/{repo('trust', store)}"
    done = store.run("push", "--disable-content-trust=false", "busybox", name)
    assert done.code == 0 and "content trust is not supported: nothing is signed" in done.err
    done = store.run("pull", "--disable-content-trust=false", name)
    assert done.code == 0 and "content trust is not supported: no signature" in done.err


def test_another_compression_of_a_layer_that_is_here(
    store: Engine, target: str, registry: Registry
) -> None:
    """Its blob is fetched though the tree is there, so that a push can send it."""
    name = f"{target}/{repo('twice', store)}"
    store.ok("push", "-q", "--compression-format", "zstd", "busybox", name)
    store.ok("pull", "-q", name)
    store.ok("push", "-q", name, f"{target}/{repo('thrice', store)}")
    store.ok("save", "-o", store.home / "both.tar", name, "busybox")
    wanted = remote(name)["Digest"]
    assert remote(f"{target}/{repo('thrice', store)}")["Digest"] == wanted
    shown = store.ok("images", "--digests", "--format", "{{.Repository}} {{.Digest}}")
    own = store.inspect("busybox")["Digest"]
    assert set(shown.split("\n")) == {f"busybox {own}", f"{name} {wanted}"} and own != wanted
    blobs = store.root / "images/blobs/sha256"
    before = len(list(blobs.iterdir()))
    assert store.ok("rmi", name) == f"Untagged: {name}:latest"
    assert len(list(blobs.iterdir())) == before - 2, "its manifest and its layer are gone"
    assert store.ok(*NONE, "busybox", "echo", "x") == "x"


def test_podman_pulls_and_pushes(root: Engine, target: str, base: Path) -> None:
    podman = ["podman", "--root", base / "podman", "--runroot", base / "podman-run",
              "--storage-driver", "vfs"]  # fmt: skip

    def run(*words: object) -> str:
        done = subprocess.run([*podman, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    name = f"{target}/for-podman:1"
    root.ok("push", "-q", "busybox", name)
    image_id = root.inspect("busybox")["Id"][7:]
    assert run("pull", "-q", "--tls-verify=false", name) == image_id
    run("push", "-q", "--tls-verify=false", name, f"{target}/by-podman:1")
    root.ok("pull", "-q", f"{target}/by-podman:1")
    assert root.inspect(f"{target}/by-podman:1")["Id"][7:] == image_id
    assert root.ok(*NONE, f"{target}/by-podman:1", "echo", "x") == "x"
    root.ok("rmi", f"{target}/by-podman:1")


def test_skopeo_reads_the_store(store: Engine) -> None:
    """The local store is an OCI layout as it is."""
    name = "docker.io/library/busybox:latest"
    shown = skopeo("inspect", f"oci:{store.root}/images:{name}")
    assert shown["Digest"] == store.inspect("busybox")["Digest"]
    copy = store.home / "copy"
    skopeo("copy", "-q", "--insecure-policy", f"oci:{store.root}/images:{name}", f"dir:{copy}")
    assert (copy / "manifest.json").exists()


def test_login_is_wanted(store: Engine, base: Path) -> None:
    from oci_images import SECRET, USERS

    with docker_registry(store.home.parent / (store.home.name + "-g"), users=USERS) as host:
        name = f"{host}/team/{repo('mine', store)}"
        message = store.fails("push", "-q", "busybox", name)
        assert "authentication required" in message and f"crunpy login {host}" in message
        message = store.fails("push", "-q", "--creds", "me:wrong", "busybox", name)
        assert "authentication required" in message and "wrong" not in message
        store.ok("push", "-q", "--creds", f"me:{SECRET}", "busybox", name)
        store.env["REGISTRY_AUTH_FILE"] = str(store.home / "auth.json")
        store.ok("login", "-u", "me", "--password-stdin", host, input=SECRET)
        store.ok("push", "-q", "busybox", name + ":2")
        assert store.run("pull", "-q", name + ":2").code == 0


def test_progress_as_json(store: Engine, target: str) -> None:
    name = f"{target}/{repo('json', store)}:1"
    done = store.run("push", "--progress", "json", "busybox", name)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 0 and done.err == ""
    assert {"preparing", "uploading", "done"} <= {line["status"] for line in lines}
    assert lines[-1]["status"] == "complete" and lines[-1]["reference"] == name
    total = max(line.get("total", 0) for line in lines)
    assert any(line["status"] == "done" and line["current"] == total for line in lines)
    store.ok("rmi", "busybox")
    done = store.run("pull", "--progress=json", name)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert {"resolving", "downloading", "done"} <= {line["status"] for line in lines}
    assert lines[-1]["image"].startswith("sha256:") and lines[-1]["digest"]
    assert done.err == ""
    store.fails("pull", "--progress", "loud", name)
    terminal = store.pty("push", name, f"{target}/{repo('json', store)}:tty")
    assert terminal.wait(60) == 0 and b"digest: sha256:" in terminal.seen


def test_unusual_layers(store: Engine, target: str, base: Path, registry: Registry) -> None:
    """Layers without compression, with zstd, and Docker's types come and go unchanged."""
    for n, (kind, pack) in enumerate(
        (("tar", bytes), ("tar+zstd", zstandard.compress), ("tar+gzip", gzip.compress))
    ):
        layer = tar(entry("f", f"{store.home.name} {n}".encode()))
        made = TestImage(registry.busybox, layer, architecture=images.ARCHITECTURE)
        value = made.value
        value["layers"][1] = made.put(pack(layer), f"{OCI}layer.v1.{kind}")  # type: ignore[index]
        made.manifest = json.dumps(value).encode()
        made.digest = made.put(made.manifest, MANIFEST)["digest"]
        name = f"{target}/{repo(kind.replace('+', '-'), store)}"
        push(made, name, base)
        store.ok("pull", "-q", name)
        assert store.ok(*NONE, name, "cat", "/f") == f"{store.home.name} {n}"
        store.ok("push", "-q", name, name + ":again")
        assert remote(name + ":again")["Digest"] == made.digest
