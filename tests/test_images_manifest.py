"""manifest: lists made here, read by others, and the other way round."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import images
import pytest
from conftest import Registry
from engine import Engine
from oci_images import INDEX, TestImage, entry, tar


@pytest.fixture
def store(engine: Engine, fresh: Callable[[str], Engine], registry: Registry) -> Engine:
    """A store with an arm64 image and busybox."""
    made = fresh("user" if engine.rootless else "root")
    made.ok("pull", "-q", "busybox")
    arm = TestImage(tar(entry("arm", b"x")), architecture="arm64", variant="v8")
    made.ok("pull", "-q", "--platform", "linux/arm64", registry.push("test/arm", arm))
    return made


def raw(reference: str) -> Any:
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{reference}"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def entries(engine: Engine, name: str) -> list[Any]:
    return list(json.loads(engine.ok("manifest", "inspect", name))["manifests"])


def test_a_list_from_beginning_to_end(store: Engine) -> None:
    name = f"{store.registry}/test/{store.home.name}:1"
    assert store.run("manifest", "exists", name).code == 1
    digest = store.ok("manifest", "create", name)
    assert digest.startswith("sha256:") and store.run("manifest", "exists", name).code == 0
    store.ok("manifest", "add", name, "busybox")
    store.ok("manifest", "add", "--annotation", "a=b", name, "test/arm")
    found = entries(store, name)
    assert [e["platform"]["architecture"] for e in found] == [images.ARCHITECTURE, "arm64"]
    assert found[1]["platform"]["variant"] == "v8" and found[1]["annotations"] == {"a": "b"}
    store.ok("manifest", "annotate", "--arch", "riscv64", "--os-version", "9", name, "busybox")
    found = entries(store, name)
    assert found[0]["platform"] == {"os": "linux", "architecture": "riscv64", "os.version": "9"}
    store.ok("manifest", "annotate", "--arch", images.ARCHITECTURE, name, found[0]["digest"])
    file = store.home / "digest"
    told = store.ok("manifest", "push", "-q", "--digestfile", file, name)
    assert told == file.read_text() and raw(name)["mediaType"] == INDEX
    assert len(raw(name)["manifests"]) == 2
    image_id = store.inspect("busybox")["Id"]
    assert store.ok("pull", "-q", name) == image_id
    store.ok("rmi", name, "busybox", "test/arm")
    assert store.run("manifest", "exists", name).code == 1, "the pulled image took its name"


def test_images_of_a_list_stay(store: Engine) -> None:
    store.ok("manifest", "create", "both", "busybox", "test/arm")
    store.ok("rmi", "busybox", "test/arm")
    target = f"{store.registry}/test/{store.home.name}-stay"
    store.ok("manifest", "push", "-q", "--format", "v2s2", "both", f"docker://{target}")
    assert "manifest.list" in raw(target)["mediaType"]
    assert store.run("pull", "-q", "--arch", "arm64", target).code == 0
    store.ok("push", "-q", "both", target + ":pushed")
    assert len(raw(target + ":pushed")["manifests"]) == 2
    layout = store.home / "layout"
    store.ok("manifest", "push", "-q", "--all", "both", f"oci:{layout}:x")
    copied = subprocess.run(
        ["skopeo", "copy", "-q", "--all", "--insecure-policy", f"oci:{layout}:x",
         f"oci:{layout}-copy:x"],
    )  # fmt: skip
    assert copied.returncode == 0
    store.ok("manifest", "create", "again", "both")
    assert store.ok("rmi", "again").split("\n")[0] == "Untagged: again:latest"
    assert store.run("manifest", "exists", "again").code == 1
    assert store.ok("manifest", "rm", "both").startswith("Deleted: sha256:")
    store.ok("rmi", "-a")
    assert not list((store.root / "images/blobs/sha256").iterdir()), "nothing is left behind"


def test_remote_images(store: Engine, registry: Registry) -> None:
    """What is not here is fetched as blobs, and is no image of this store."""
    other = TestImage(tar(entry("s", b"y")), architecture="s390x")
    name = registry.push("test/" + store.home.name, other)
    store.ok("manifest", "create", "--insecure", "mixed", f"docker://{store.registry}/{name}")
    store.ok("manifest", "create", "--amend", "mixed", "busybox")
    assert len(store.ok("images", "-q").split()) == 2
    assert {e["platform"]["architecture"] for e in entries(store, "mixed")} == {
        "s390x", images.ARCHITECTURE}  # fmt: skip
    target = f"{store.registry}/test/{store.home.name}-mixed"
    store.ok("manifest", "push", "-q", "-p", "mixed", target)
    assert store.run("manifest", "exists", "mixed").code == 1
    again = store.home.name
    store.ok("manifest", "create", again)
    store.ok("manifest", "add", "--all", again, target)
    assert len(entries(store, again)) == 2
    store.ok("manifest", "remove", again, other.digest)
    assert len(entries(store, again)) == 1
    assert json.loads(store.ok("manifest", "inspect", target)) == raw(target)


def test_errors(store: Engine) -> None:
    assert "no such manifest list" in store.fails("manifest", "add", "nosuch", "busybox")
    assert "an image has that name" in store.fails("manifest", "create", "busybox")
    store.ok("manifest", "create", "list")
    assert "there is one" in store.fails("manifest", "create", "list")
    assert "no such image in" in store.fails("manifest", "annotate", "list", "busybox")
    assert "KEY=VALUE" in store.fails("manifest", "add", "--annotation", "x", "list", "busybox")
    message = store.fails("manifest", "create", "half", "busybox", "127.0.0.1:1/nosuch")
    assert message.startswith("adding 127.0.0.1:1/nosuch to half: ")
    assert store.run("manifest", "exists", "half").code == 1
    assert "127.0.0.1:1" in store.fails("manifest", "inspect", "127.0.0.1:1/nosuch")


@pytest.mark.parametrize("engine", ["root"], indirect=True)
def test_podman_pulls_by_our_list(store: Engine, base: Any) -> None:
    target = f"{store.registry}/test/{store.home.name}-p"
    store.ok("manifest", "create", target, "busybox", "test/arm")
    store.ok("manifest", "push", "-q", target)
    done = subprocess.run(
        ["podman", "--root", base / "podman-m", "--runroot", base / "podman-m-run",
         "--storage-driver", "vfs", "pull", "-q", "--tls-verify=false", target],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == store.inspect("busybox")["Id"][7:]


def test_inspect_elsewhere(store: Engine) -> None:
    """docker:// and files are looked at without being pulled."""
    name = f"{store.registry}/library/busybox"
    found = store.inspect(f"docker://{name}")
    assert found["Id"] == store.inspect("busybox")["Id"] and found["RepoTags"] == [name + ":latest"]
    store.ok("save", "-o", store.home / "b.tar", "busybox")
    found = store.inspect(f"docker-archive:{store.home}/b.tar")
    assert found["Id"] == store.inspect("busybox")["Id"]
    assert found["RepoTags"] == ["busybox:latest"]
    assert "inspecting docker://127.0.0.1:1/x" in store.run("inspect", "docker://127.0.0.1:1/x").err
