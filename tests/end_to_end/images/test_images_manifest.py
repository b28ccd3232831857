"""manifest: lists made here, read by others, and the other way round."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable
from typing import Any

import images
import pytest
from engine import Engine
from mirror import Registry
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
    assert len(store.ok("images", "-a", "-q", "--filter", "manifest=false").split()) == 2
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


def test_a_list_is_an_image(store: Engine) -> None:
    """Wherever an image is named, a list stands for its image of this platform."""
    store.ok("manifest", "create", "both", "busybox", "test/arm")
    listed, busybox = store.ok("images", "-q", "both"), store.inspect("busybox")["Id"]
    row = store.ok("images", "--format", "{{.Repository}} {{.Tag}} {{.Digest}} {{.CreatedSince}}")
    assert row.splitlines()[0].startswith("both latest sha256:" + listed)
    assert "second" in row.splitlines()[0]
    assert store.ok("images", "-q", "--filter", "manifest=true") == listed
    assert listed not in store.ok("images", "-q", "--filter", "manifest=false")
    for name in ("both", listed):
        assert store.ok("run", "--rm", "--network", "none", name, "echo", "hi") == "hi"
        assert store.inspect(name)["Id"] == busybox
    assert store.run("image", "exists", "both").code == 0
    assert busybox[7:19] in store.ok("history", "both")
    assert busybox[7:19] in store.ok("image", "tree", "both")
    store.ok("create", "--network", "none", "--name", "shop", "both", "true")
    assert store.ok("ps", "-a", "--filter", "ancestor=both", "--format", "{{.Image}}") == "both"
    made = store.run("create", "--network", "none", "--platform", "linux/arm64", "both", "/arm")
    assert made.code == 0 and "image is for linux/arm64" in made.err
    assert "for linux/s390x: there is none; it exists for linux/" in store.fails(
        "create", "--platform", "linux/s390x", "both", "true"
    )
    store.ok("rm", "-a")


def test_a_list_is_saved_as_an_image(store: Engine) -> None:
    store.ok("manifest", "create", "both", "busybox", "test/arm")
    archive = store.home / "both.tar"
    for form in ("docker-archive", "oci-archive"):
        store.ok("save", "-o", archive, "--format", form, "both")
        store.ok("tag", "busybox", "kept")
        store.ok("manifest", "rm", "both")
        assert "both:latest" in store.ok("load", "-i", archive)
        assert store.inspect("both")["Id"] == store.inspect("kept")["Id"]
        store.ok("rmi", "both")
        store.ok("manifest", "create", "both", "busybox", "test/arm")


def test_names_of_a_list(store: Engine) -> None:
    store.ok("manifest", "create", "both", "busybox", "test/arm")
    store.ok("tag", "both", "second", "third:3")
    listed = store.ok("images", "-q", "both")
    assert store.ok("images", "-q", "third") == listed
    assert len(entries(store, "second")) == 2
    assert store.ok("rmi", "second") == "Untagged: second:latest"
    assert "several names" in store.fails("rmi", listed, code=1)
    store.ok("untag", "both", "third:3")
    # an older state of a list goes when it is changed, other names keep theirs
    store.ok("tag", "both", "older")
    store.ok("manifest", "remove", "both", "test/arm")
    assert len(entries(store, "older")) == 2 and len(entries(store, "both")) == 1
    store.ok("untag", "older")
    assert store.ok("images", "--filter", "dangling=true", "-q") == listed
    assert listed in store.ok("image", "prune", "-f")
    assert listed not in store.ok("images", "-q")
    # a list of a list: what it has for this platform, or everything
    store.ok("manifest", "add", "both", "test/arm")
    store.ok("manifest", "create", "one", "both")
    store.ok("manifest", "create", "--all", "all", "both")
    assert len(entries(store, "one")) == 1 and len(entries(store, "all")) == 2


def test_what_a_list_has_stays(store: Engine) -> None:
    """It is not shown, not pruned and not removed, but can be run; a container keeps it."""
    store.ok("manifest", "create", "both", "busybox", "test/arm")
    image_id = store.inspect("busybox")["Id"]
    assert store.ok("rmi", "busybox", "test/arm").splitlines() == [
        "Untagged: busybox:latest", "Untagged: test/arm:latest"]  # fmt: skip
    run = ["run", "--network", "none", "both", "echo", "hi"]
    assert store.ok(*run) == "hi"
    assert store.ok("images", "--format", "{{.Repository}}") == "both"
    assert image_id[7:19] in store.ok("images", "-a", "-q")
    assert "Total reclaimed space: 0B" in store.ok("image", "prune", "-f")
    assert "Total reclaimed space: 0B" in store.ok("image", "prune", "-af"), "it is in use"
    store.ok("rm", "-a")
    message = store.fails("rmi", image_id, code=1)
    assert "manifest list both:latest has it" in message and "crunpy manifest remove" in message
    assert "manifest list both" in store.fails("rmi", "-f", image_id, code=1)
    assert store.ok(*run) == "hi"
    store.ok("rmi", "both")
    assert [store.inspect(i)["Id"] for i in store.ok("images", "-q").split()] == [image_id]
    store.ok("rm", "-a")
    assert "deleted: " + image_id in store.ok("image", "prune", "-f")
    assert not list((store.root / "images/blobs/sha256").iterdir()), "nothing is left behind"


def test_prune_all_and_rmi_all_remove_lists(store: Engine) -> None:
    for remove in (["image", "prune", "-af"], ["rmi", "-a"]):
        store.ok("manifest", "create", "both", "busybox", "test/arm")
        store.ok("rmi", "test/arm")
        store.ok("run", "--rm", "--network", "none", "both", "true")
        store.ok(*remove)
        assert not store.ok("images", "-a", "-q")
        assert not list((store.root / "images/blobs/sha256").iterdir())
        store.ok("pull", "-q", "busybox")
        store.ok("pull", "-q", "--platform", "linux/arm64", "test/arm")


def test_what_was_only_fetched_for_a_list_can_be_run(store: Engine) -> None:
    source = f"docker://{store.registry}/library/busybox"
    store.ok("rmi", "busybox")
    store.ok("manifest", "create", "--insecure", "far", source)
    assert not any((store.root / "layers").glob("*/diff/bin")), "its layers are not unpacked"
    assert store.inspect("far")["Architecture"] == images.ARCHITECTURE
    assert store.ok("run", "--rm", "--network", "none", "far", "echo", "hi") == "hi"
    mount = "type=image,source=far,destination=/far"
    store.ok("rmi", "-a")
    store.ok("pull", "-q", "busybox")
    other = TestImage(tar(entry("said", b"far\n")))
    layout = store.home / "other"
    other.write_layout(layout)
    subprocess.run(["chmod", "-R", "a+rX", layout], check=True)
    store.ok("manifest", "create", "far", f"oci:{layout}")
    assert store.ok(
        "run", "--rm", "--network", "none", "--mount", mount, "busybox", "cat", "/far/said"
    ) == "far"  # fmt: skip


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_push_with_another_compression(store: Engine, kind: str) -> None:
    target = f"{store.registry}/test/{store.home.name}-{kind}"
    store.ok("manifest", "create", "both", "busybox", "test/arm")
    before = {e["platform"]["architecture"]: e["digest"] for e in entries(store, "both")}
    store.ok("manifest", "push", "-q", "--compression-format", kind, "both", target)
    for found in raw(target)["manifests"]:
        (layer,) = raw(f"{target}@{found['digest']}")["layers"]
        assert layer["mediaType"].endswith(kind)
        same = before[found["platform"]["architecture"]] == found["digest"]
        assert same == (kind == "gzip")
    store.ok("rmi", "-a")
    store.ok("pull", "-q", target)
    assert store.ok("run", "--rm", "--network", "none", target, "echo", "hi") == "hi"
    store.ok("manifest", "create", "one", target)
    assert "changes nothing" in store.fails(
        "manifest", "push", "--all=false", "--compression-format", kind, "one", target
    )


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


# ---- one platform of a list ----


@pytest.fixture
def both(store: Engine) -> Engine:
    """The store with a list `both` of busybox and test/arm, which have no names of their own."""
    store.ok("manifest", "create", "both", "busybox", "test/arm")
    store.ok("rmi", "busybox", "test/arm")
    return store


def test_save_and_push_one_platform(both: Engine) -> None:
    archive = both.home / "arm.tar"
    both.ok("save", "--platform", "linux/arm64", "-o", archive, "both")
    with tarfile.open(archive) as file:
        written = json.load(file.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(file.extractfile(written[0]["Config"]))  # type: ignore[arg-type]
    assert config["architecture"] == "arm64" and written[0]["RepoTags"] == ["both:latest"]
    target = f"{both.registry}/test/{both.home.name}-one"
    both.ok("push", "-q", "--platform", "linux/arm64/v8", "both", target)
    assert len(raw(target)["layers"]) == 1 and "manifests" not in raw(target)
    for words in (("save", "-o", archive), ("push", "-q")):
        message = both.fails(*words, "--platform", "linux/s390x", "both")
        assert "linux/s390x" in message and "linux/arm64" in message
    own = f"linux/{images.ARCHITECTURE}"
    both.ok("manifest", "create", "other", "both")
    assert both.run("save", "--platform", own, "-o", archive, "other").code == 0
    both.ok("pull", "-q", "busybox")
    refused = both.run("push", "--platform", "linux/arm64", "busybox")
    assert refused.code == 125 and f"exists for {own}" in refused.err
    both.ok("push", "-q", "--platform", own, "busybox", target)


def test_remove_one_platform(both: Engine) -> None:
    assert "linux/s390x" in both.run("rmi", "--platform", "linux/s390x", "both").err
    assert len(entries(both, "both")) == 2
    both.detached("--name", "c", "both", "sleep", "1000")
    own = f"linux/{images.ARCHITECTURE}"
    assert "in use by container" in both.run("rmi", "--platform", own, "both").err
    assert both.ok("rmi", "--platform", "linux/arm64", "both").startswith("Deleted: sha256:")
    assert [e["platform"]["architecture"] for e in entries(both, "both")] == [images.ARCHITECTURE]
    assert both.run("save", "--platform", "linux/arm64", "both", "-o", both.home / "x").code != 0
    both.ok("rm", "-f", "-t0", "c")
    assert "Untagged: both:latest" in both.ok("rmi", "--platform", own, "both")
    assert both.ok("images", "-aq") == ""
    both.ok("pull", "-q", "busybox")
    assert "exists for" in both.run("rmi", "--platform", "linux/arm64", "busybox").err
    assert "Untagged: busybox:latest" in both.ok("rmi", "--platform", own, "busybox")
    assert not list((both.root / "images/blobs/sha256").iterdir())


def test_images_as_a_tree(both: Engine) -> None:
    both.ok("pull", "-q", "busybox")
    both.ok("create", "--name", "c", "--network", "none", "busybox")
    lines = both.ok("images", "--tree").splitlines()
    assert lines[0].split() == ["IMAGE", "ID", "DISK", "USAGE", "CONTENT", "SIZE", "EXTRA"]
    told = {line.split()[0]: line for line in lines[1:] if line[0] not in "├└"}
    assert set(told) == {"both:latest", "busybox:latest"}
    assert told["both:latest"].split()[-1] == "U"
    branches = [line.split()[:2] for line in lines if line[0] in "├└"]
    own = f"linux/{images.ARCHITECTURE}"
    assert sorted(branches) == sorted([["└─", own], ["├─", own], ["└─", "linux/arm64/v8"]])
    arm = next(line for line in lines if "arm64" in line)
    assert not arm.rstrip().endswith("U") and "0B" not in arm
    assert both.ok("images", "--tree", "both").count("\n") == 3
    assert "excludes --quiet" in both.fails("images", "--tree", "-q")
    both.ok("rm", "c")
