"""pull, images, rmi, inspect of images."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import images
import pytest
from engine import Engine
from mirror import Registry
from oci_images import entry, tar

NONE = ("run", "--rm", "--network", "none")


@pytest.fixture
def store(engine: Engine, fresh: Callable[[str], Engine]) -> Engine:
    """An empty store."""
    return fresh("user" if engine.rootless else "root")


def test_pull_prints_what_docker_prints(store: Engine) -> None:
    done = store.run("pull", "busybox")
    assert done.code == 0
    digest, status, name = done.out.strip().split("\n")
    assert re.fullmatch("Digest: sha256:[0-9a-f]{64}", digest)
    assert status == "Status: Downloaded newer image for busybox:latest"
    assert name == "docker.io/library/busybox:latest"
    assert done.err.split("\n")[0] == "latest: Pulling from library/busybox"
    again = store.run("pull", "busybox:latest")
    assert "Image is up to date for busybox:latest" in again.out
    assert re.fullmatch("sha256:[0-9a-f]{64}\n", store.run("pull", "-q", "busybox").out)
    assert store.run("pull", "-q", "busybox").err == ""


def test_images(store: Engine, registry: Registry) -> None:
    assert store.ok("images").split() == "REPOSITORY TAG IMAGE ID CREATED SIZE".split()
    store.ok("pull", "-q", "busybox")
    header, row = store.ok("images").split("\n")
    fields = re.split(r"\s{3,}", row)
    assert re.split(r"\s{3,}", header) == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    assert fields[:2] == ["busybox", "latest"] and re.fullmatch("[0-9a-f]{12}", fields[2])
    assert fields[3].endswith(" ago") and re.fullmatch(r"[0-9.]+MB", fields[4])
    assert store.ok("images", "-q") == fields[2]
    full = store.ok("images", "-q", "--no-trunc")
    assert full.startswith("sha256:" + fields[2]) and len(full) == 71
    assert "sha256:" in store.ok("images", "--digests").split("\n")[1]
    name = registry.push("test/other", images.image(registry.busybox, Labels={"k": "v"}))
    store.ok("pull", "-q", name)
    assert store.ok("images", "-q", "busybox") == fields[2]
    assert store.ok("images", "--format", "{{.Repository}}:{{.Tag}}", "test/other") == (
        "test/other:latest"
    )
    assert len(store.ok("images", "-q").split()) == 2
    for text, expected in (("reference=test/*", 1), ("label=k=v", 1), ("label=k=w", 0),
                           ("dangling=true", 0), ("dangling=false", 2)):  # fmt: skip
        found = store.ok("images", "-q", "--filter", text).split()
        assert len(found) == expected, text
    rows = [json.loads(line) for line in store.ok("images", "--format", "json").split("\n")]
    assert {row["Repository"] for row in rows} == {"busybox", "test/other"}


@pytest.mark.parametrize(
    "form", ["busybox", "busybox:latest", "docker.io/busybox", "library/busybox",
             "docker.io/library/busybox:latest", "id", "short id", "prefixed id", "digest"],
)  # fmt: skip
def test_names_of_an_image(engine: Engine, form: str) -> None:
    full = engine.ok("images", "-q", "--no-trunc", "busybox")
    name = {
        "id": full.removeprefix("sha256:"),
        "short id": full[7:19],
        "prefixed id": full,
        "digest": engine.inspect("busybox")["RepoDigests"][0],
    }.get(form, form)
    assert engine.inspect(name)["Id"] == full
    assert engine.ok(*NONE, "--pull", "never", name, "echo", "x") == "x"


def test_inspect_of_an_image(engine: Engine) -> None:
    found = engine.inspect("busybox")
    assert found["RepoTags"] == ["busybox:latest"] and found["Architecture"] == images.ARCHITECTURE
    assert found["Os"] == "linux" and found["Config"]["Cmd"] == ["sh"]
    assert found["RepoDigests"][0].startswith("busybox@sha256:") and found["Size"] > 10**6
    assert len(found["RootFS"]["Layers"]) == 1
    assert engine.ok("inspect", "--type", "image", "-f", "{{.Id}}", "busybox") == found["Id"]
    engine.ok("create", "--network", "none", "--name", "c", "busybox")
    done = engine.run("inspect", "--type", "image", "c")
    assert done.code == 125 and "no such image: c" in done.err


def test_rmi(store: Engine, registry: Registry) -> None:
    top = tar(entry("more", b"x"))
    name = registry.push("test/shared", images.image(registry.busybox, top))
    store.ok("pull", "-q", "busybox")
    store.ok("pull", "-q", name)
    lines = store.ok("rmi", name).split("\n")
    assert lines[0] == "Untagged: test/shared:latest"
    assert any(re.fullmatch("Deleted: sha256:[0-9a-f]{64}", line) for line in lines)
    assert store.ok(*NONE, "busybox", "echo", "still") == "still", "a shared layer stays"
    store.ok("rmi", "busybox")
    assert store.ok("images", "-q") == ""
    assert not [p for p in (store.root / "layers").iterdir() if p.is_dir() and len(p.name) > 40]
    assert not list((store.root / "images/blobs/sha256").iterdir())


def test_rmi_of_an_image_in_use(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    message = engine.fails("rmi", "busybox", code=1)
    assert "uses it" in message and engine.inspect("c")["Id"][:12] in message
    engine.ok("stop", "-t0", "c")
    engine.fails("rmi", "busybox", code=1)
    assert engine.ok("start", "c") == "c"


def test_rmi_goes_on_after_an_error(store: Engine) -> None:
    store.ok("pull", "-q", "busybox")
    done = store.run("rmi", "nosuch", "busybox")
    assert done.code == 1 and "Untagged: busybox:latest" in done.out and "nosuch" in done.err


def test_pull_of_several_and_of_a_digest(store: Engine) -> None:
    done = store.run("pull", "-q", "busybox", f"{store.registry}/library/busybox")
    assert done.code == 0 and len(set(done.out.split())) == 1
    digest = store.inspect("busybox")["RepoDigests"][0].partition("@")[2]
    assert store.run("pull", "-q", f"busybox@{digest}").code == 0
    wrong = "sha256:" + "0" * 64
    store.fails("pull", "-q", f"{store.registry}/library/busybox@{wrong}")
    # the name by digest is removed, not the tag that has this digest too
    assert store.ok("rmi", f"busybox@{digest}") == f"Untagged: busybox@{digest}"
    assert store.ok("images", "-q", "busybox:latest")


def test_progress_on_a_terminal(store: Engine) -> None:
    terminal = store.pty("pull", "nginx")
    assert terminal.wait(90) == 0
    text = terminal.seen.decode()
    assert "Status: Downloaded newer image for nginx:latest" in text and "MB" in text
    assert terminal.mode() == terminal.before


def test_image_without_a_command(engine: Engine, registry: Registry) -> None:
    name = registry.push("test/empty", images.image(registry.busybox, Cmd=None))
    assert "no command" in engine.fails(*NONE, "-q", name)
    assert engine.ok(*NONE, name, "echo", "x") == "x"
    engine.ok("rmi", name)
