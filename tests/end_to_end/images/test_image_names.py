"""Names of images: localhost/NAME and NAME are one, digests are untagged alone, formats have
the names of both peers."""

from __future__ import annotations

import json
import subprocess

import pytest
from engine import Engine

CREATE = ("create", "--network", "none", "--pull", "never")


def names(engine: Engine, image: str) -> tuple[list[str], list[str]]:
    found = json.loads(engine.ok("image", "inspect", image))[0]
    return sorted(found["RepoTags"]), sorted(found["RepoDigests"])


@pytest.mark.parametrize("made,asked", [
    ("mine", "localhost/mine"), ("mine:2", "localhost/mine:2"), ("a/b:1", "localhost/a/b:1"),
    ("localhost/mine", "mine"), ("localhost/mine:2", "mine:2"), ("localhost/a/b", "a/b"),
])  # fmt: skip
def test_localhost(root: Engine, made: str, asked: str) -> None:
    root.ok("tag", "busybox", made)
    for words in (("image", "exists", asked), ("image", "inspect", asked), ("history", asked),
                  (*CREATE, asked), ("tag", asked, "other:1")):  # fmt: skip
        root.ok(*words)
    assert root.ok("images", "-q", asked.partition(":")[0]) != ""
    root.ok("rm", "-a")
    root.ok("rmi", asked, "other:1")
    assert root.run("image", "exists", made).code == 1
    root.ok("image", "exists", "busybox")


def test_the_very_name_goes_first(root: Engine) -> None:
    """Two images, one by either name: each is found by its own."""
    root.ok(*CREATE, "--name", "c", "busybox")
    root.ok("commit", "-m", "second", "c", "localhost/both")
    root.ok("tag", "busybox", "both")
    shown = [root.ok("image", "inspect", "-f", "{{.Id}}", n) for n in ("both", "localhost/both")]
    assert shown[0] != shown[1]
    root.ok("rmi", "both")
    assert root.ok("image", "inspect", "-f", "{{.Id}}", "both") == shown[1]
    root.ok("rm", "c")
    root.ok("rmi", "localhost/both")


def test_localhost_with_a_port_is_a_registry(root: Engine) -> None:
    root.ok("tag", "busybox", "mine")
    assert root.run("image", "exists", "localhost:5000/mine").code == 1
    root.ok("rmi", "mine")


def test_a_digest_is_untagged_alone(root: Engine) -> None:
    """NAME@DIGEST takes that away; the tags of NAME and all other names stay."""
    root.ok("tag", "busybox", "e:1", "e:2", "f:1")
    tags, digests = names(root, "e:1")
    mine = next(text for text in digests if text.startswith("e@"))
    root.ok("untag", "e:1", mine)
    left = names(root, "e:1")
    assert left[0] == tags and left[1] == [text for text in digests if text != mine]
    root.ok("untag", "e:1", "e:2")
    assert "e:1" in names(root, "busybox")[0] and "e:2" not in names(root, "busybox")[0]
    assert root.run("untag", "e:1", "e@sha256:" + "0" * 64).code == 125
    root.ok("rmi", "e:1", "f:1")


FORMATS = [
    ("docker", "docker.distribution.manifest.v2"),
    ("v2s2", "docker.distribution.manifest.v2"),
    ("oci", "oci.image.manifest.v1"),
]


@pytest.mark.parametrize("name,kind", FORMATS)
def test_formats_of_push(root: Engine, name: str, kind: str) -> None:
    target = f"{root.registry}/test/format-{name}:1"
    root.ok("push", "-q", "--tls-verify=false", "--format", name, "busybox", target)
    shown = subprocess.check_output(
        ["curl", "-s", "-H", "Accept: application/vnd.docker.distribution.manifest.v2+json", "-H",
         "Accept: application/vnd.oci.image.manifest.v1+json",
         f"http://{root.registry}/v2/test/format-{name}/manifests/1"]
    )  # fmt: skip
    assert kind in json.loads(shown).get("mediaType", "oci.image.manifest.v1")


@pytest.mark.parametrize("name", ["docker", "v2s2", "oci"])
def test_formats_of_commit_and_lists(root: Engine, name: str) -> None:
    root.ok(*CREATE, "--name", "c", "busybox")
    root.ok("commit", "--format", name, "c", "made:1")
    root.ok("manifest", "create", f"list-{name}:1")
    root.ok("manifest", "push", "--tls-verify=false", "--format", name, f"list-{name}:1",
            f"{root.registry}/test/list-{name}:1")  # fmt: skip
    root.ok("manifest", "rm", f"list-{name}:1")
    root.ok("rm", "c")
    root.ok("rmi", "made:1")


def test_the_old_format_is_refused_with_a_reason(root: Engine) -> None:
    """Schema 1: known, and why it is not written."""
    message = root.fails("push", "--format", "v2s1", "busybox", f"{root.registry}/test/old:1")
    assert "v2s1" in message and "not known" not in message, message
