"""system df, system prune, and what info says."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable

import images
import pytest
from engine import Engine
from mirror import Registry
from oci_images import entry, tar

NONE = ("--network", "none")


@pytest.fixture
def store(engine: Engine, fresh: Callable[[str], Engine], registry: Registry) -> Engine:
    """busybox with a running and a stopped container, test/more on top of it, volumes."""
    made = fresh("user" if engine.rootless else "root")
    name = registry.push("test/more", images.image(registry.busybox, tar(entry("x", b"x" * 5000))))
    made.ok("pull", "-q", "busybox")
    made.ok("pull", "-q", name)
    made.detached("--name", "up", "-v", "named:/data", "busybox", "sh", "-c",
                  "head -c 3000 /dev/zero > /data/f; exec sleep 1000")  # fmt: skip
    made.ok("run", "--name", "down", *NONE, "-v", "/anonymous", "busybox", "sh", "-c",
            "head -c 2000 /dev/zero > /new; head -c 4000 /dev/zero > /anonymous/f")  # fmt: skip
    return made


def table(text: str) -> dict[str, list[str]]:
    rows = [re.split(r"\s{2,}", line) for line in text.split("\n")]
    return {row[0]: row[1:] for row in rows}


def test_df(store: Engine) -> None:
    found = table(store.ok("system", "df"))
    assert found["TYPE"] == ["TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert found["Images"][:2] == ["2", "1"] and found["Images"][2].endswith("MB")
    assert re.fullmatch(r"[\d.]+kB \(0%\)", found["Images"][3]), "the layer of busybox is shared"
    assert found["Containers"] == ["2", "1", "2kB", "2kB (100%)"]
    assert found["Local Volumes"] == ["2", "2", "7kB", "0B (0%)"]
    assert found["Build Cache"] == ["0", "0", "0B", "0B"], "nothing was built here"
    store.ok("rm", "down")
    assert table(store.ok("system", "df"))["Local Volumes"][1:] == ["1", "7kB", "4kB (57%)"]
    rows = [json.loads(line) for line in store.ok("system", "df", "--format", "json").split("\n")]
    assert rows[0]["Type"] == "Images" and rows[0]["TotalCount"] == "2"
    lines = store.ok("system", "df", "--format", "{{.Type}}={{.Active}}").split("\n")
    assert "Containers=1" in lines


def test_df_in_detail(store: Engine) -> None:
    text = store.ok("system", "df", "-v")
    parts = text.split(" space usage:\n\n")
    images_table = table(parts[1])
    assert images_table["busybox"][1:][-1] == "2" and images_table["test/more"][-1] == "0"
    unique = images_table["test/more"][-2]
    assert unique.endswith("kB"), "5 kB and its blobs"
    assert "up" in parts[2] and "Up " in parts[2] and "2kB" in parts[2]
    assert table(parts[3])["named"] == ["1", "3kB"]
    found = json.loads(store.ok("system", "df", "-v", "--format", "json"))
    assert {row["Names"] for row in found["Containers"]} == {"up", "down"}
    assert len(found["Images"]) == 2 and len(found["Volumes"]) == 2
    assert store.ok("system", "df", "-v", "--format", "{{len .Volumes}}") == "2"


def test_prune(store: Engine) -> None:
    store.ok("untag", "test/more")
    asked = store.run("system", "prune", input="n\n")
    assert asked.code == 0 and "all stopped containers" in asked.out
    assert "dangling images" in asked.out and "volumes" not in asked.out
    assert len(store.ps("-a")) == 2
    none = store.ok("system", "prune", "-f", "--filter", "until=2001-01-01")
    assert none == "Total reclaimed space: 0B"
    gone = store.inspect("down")["Id"]
    told = store.run("system", "prune", input="y\n").out
    assert f"Deleted Containers:\n{gone}\n" in told and "deleted: sha256:" in told
    assert re.search(r"Total reclaimed space: [\d.]+kB", told)
    assert store.ps("-a") == ["up"] and len(store.volumes()) == 2
    assert "all anonymous volumes" in store.run("system", "prune", "--volumes", input="").out
    told = store.ok("system", "prune", "-a", "--volumes", "-f")
    assert re.search("Deleted Volumes:\n[0-9a-f]{64}\n", told)
    assert [v.name for v in store.volumes()] == ["named"]
    assert store.ok("images", "--format", "{{.Repository}}") == "busybox", "a container has it"
    store.ok("rm", "-f", "up")
    store.ok("system", "prune", "-af", "--volumes")
    assert store.ok("images", "-q") == "" and [v.name for v in store.volumes()] == ["named"]
    store.fails("system", "prune", "-f", "--filter", "nosuch=1")


def test_info(engine: Engine) -> None:
    engine.ok("create", *NONE, "busybox")
    text = engine.ok("info")
    for name in ("Containers", "Images", "Storage Driver", "Backing Filesystem", "Kernel Version",
                 "Operating System", "CPUs", "Total Memory", "Name", "ID", "Logging Driver",
                 "Execution Driver", "Architecture", "Docker Root Dir"):  # fmt: skip
        assert re.search(rf"^ ?{name}: \S", text, re.MULTILINE), name
    assert "Logging Driver: json-file" in text
    kernel = os.uname().release
    values = "{{.Containers}} {{.Images}} {{.KernelVersion}} {{.NCPU}}"
    count = len(engine.ok("images", "-q").split())
    assert engine.ok("info", "--format", values) == f"1 {count} {kernel} {os.cpu_count()}"
    podman = "{{.Store.ContainerStore.Number}} {{.Host.Kernel}} {{.host.security.rootless}}"
    rootless = "true" if engine.rootless else "false"
    assert engine.ok("info", "-f", podman) == f"1 {kernel} {rootless}"
    found = json.loads(engine.ok("system", "info", "--format", "json"))
    assert found["ID"] == json.loads(engine.ok("info", "-f", "json"))["ID"] and found["Name"]
    limited = "memory" in found["CgroupControllers"]
    assert limited or "WARNING: No swap limit support" in found["Warnings"]


def test_info_shows_mirrors_and_labels(engine: Engine) -> None:
    config = engine.home / ".config/docker/daemon.json"
    config.parent.mkdir(parents=True)
    settings = {"registry-mirrors": ["http://127.0.0.1:7/"], "labels": ["name=docker_server1"],
                "insecure-registries": ["reg.example:5000"]}  # fmt: skip
    config.write_text(json.dumps(settings))
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", engine.home / ".config"], check=True)
    try:
        text = engine.ok("info")
        assert "Labels:\n name=docker_server1\n" in text
        assert f"Registry Mirrors:\n {engine.registry}\n http://127.0.0.1:7/\n" in text
        assert "Insecure Registries:\n reg.example:5000\n 127.0.0.0/8" in text
        config.write_text("{]")
        assert "Labels" not in engine.ok("info")
    finally:
        config.unlink()


def test_pull_goes_through_the_docker_mirror(fresh: Callable[[str], Engine]) -> None:
    """daemon.json's mirror alone: docker.io's own host is not there."""
    store = fresh("root")
    config = store.home / ".config/docker/daemon.json"
    config.parent.mkdir(parents=True)
    mirrors = ["http://127.0.0.1:9/", f"http://{store.registry}/"]
    config.write_text(json.dumps({"registry-mirrors": mirrors}))
    empty = store.home / "registries.conf"
    empty.write_text("")
    env: dict[str, str | None] = {"CONTAINERS_REGISTRIES_CONF": str(empty)}
    store.ok("pull", "-q", "busybox", env=env)
    assert store.inspect("busybox")["RepoTags"] == ["busybox:latest"]
    assert store.ok("info", "-f", "{{index .RegistryConfig.Mirrors 1}}", env=env) == mirrors[1]
