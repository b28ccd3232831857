"""system check: what is wrong with a store is told, and mended where that can be."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from engine import Engine


@pytest.fixture(params=["root", "user"])
def store(request: pytest.FixtureRequest, fresh: Callable[[str], Engine]) -> Engine:
    engine = fresh(request.param)
    engine.ok("pull", "-q", "busybox")
    return engine


def check(engine: Engine, *options: str) -> list[str]:
    done = engine.run("system", "check", *options)
    lines = done.out.splitlines()
    assert done.err == ""
    assert done.code == (0 if all(line.endswith(" (repaired)") for line in lines) else 1)
    return lines


def blob(engine: Engine, kind: str) -> Path:
    """The file of busybox's manifest or config."""
    index = json.loads((engine.root / "images/index.json").read_text())
    path = engine.root / "images/blobs" / index["manifests"][0]["digest"].replace(":", "/")
    if kind == "manifest":
        return path
    manifest = json.loads(path.read_text())
    return engine.root / "images/blobs" / manifest["config"]["digest"].replace(":", "/")


def test_a_store_that_is_whole(store: Engine) -> None:
    store.detached("--name", "c", "-v", "v:/d", "busybox", "sleep", "1000")
    store.ok("network", "create", "back")
    assert check(store) == [] == check(store, "--quick") == check(store, "--repair")
    store.ok("network", "rm", "back")
    assert store.state("c")["Running"]


@pytest.mark.parametrize("kind", ["manifest", "config"])
def test_a_damaged_blob(store: Engine, kind: str) -> None:
    path = blob(store, kind)
    path.write_bytes(path.read_bytes().replace(b"{", b"[", 1))
    assert check(store, "--quick") == [] or kind == "manifest"
    told = check(store)
    assert any(line.startswith(f"image sha256:{path.name}") for line in told)
    assert f"image docker.io/library/busybox:latest: its {kind} is lost: pull it again" in told
    assert path.exists(), "looking changes nothing"
    assert check(store, "--repair") == [line + " (repaired)" for line in told]
    assert check(store) == []
    store.ok("pull", "-q", "busybox")
    assert store.ok("run", "--rm", "--network", "none", "busybox", "echo", "well") == "well"
    assert check(store) == []


def test_a_layer_that_is_gone(store: Engine) -> None:
    store.ok("create", "--name", "c", "--network", "none", "busybox", "true")
    (layer,) = (p for p in (store.root / "layers").iterdir() if len(p.name) == 64)
    os.rename(layer / "diff", store.home / "diff")
    try:
        told = check(store)
        assert "image docker.io/library/busybox:latest: it lacks 1 layers: pull it again" in told
        assert "container c: it lacks 1 layers: pull its image" in told
    finally:
        os.rename(store.home / "diff", layer / "diff")
    assert check(store) == []


def test_names_and_records(store: Engine) -> None:
    container_id = store.ok("create", "--name", "c", "--network", "none", "-v", "v:/d", "busybox")
    other = store.ok("create", "--name", "d", "--network", "none", "busybox")
    names = store.root / "containers/.names"
    (names / "nobody").symlink_to("f" * 64)
    (names / "c").unlink()
    record = store.root / "containers" / other / "container.json"
    kept = record.read_text()
    record.write_text("{")
    told = check(store)
    assert "container nobody: the name leads to no container" in told
    assert "container c: its name leads to another one, or nowhere" in told
    assert any(line.startswith(f"container {other[:12]}: ") for line in told)
    mended = check(store, "--repair")
    assert sum(line.endswith("(repaired)") for line in mended) == 2 and len(mended) == 3
    record.write_text(kept)
    assert check(store) == []
    assert store.inspect("c")["Id"] == container_id
    (store.root / "volumes/v/volume.json").write_text("")
    assert check(store) == ["volume v: what was noted of it is lost; its content is there"]


def test_an_index_that_cannot_be_read(store: Engine) -> None:
    """It is made anew of the blobs; names are those that containers know."""
    store.ok("create", "--name", "c", "--network", "none", "busybox", "true")
    store.ok("build", "-q", "-t", "other", "-", input="FROM busybox\nCMD true\n")
    shown = ("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
    before = dict(line.split() for line in store.ok(*shown).splitlines())
    index = store.root / "images/index.json"
    # what a registry may have sent: JSON that looks like a manifest
    strange = ('{"config": 1, "layers": {}}', '{"config": {"digest": "x"}, "layers": [1]}', "{",
               '{"manifests": [1, {"digest": []}]}', "{" * 5000, '{"a":' * 5000)  # fmt: skip
    for text in strange:
        name = hashlib.sha256(text.encode()).hexdigest()
        (index.parent / "blobs/sha256" / name).write_text(text)
    if store.user:
        subprocess.run(["chown", "-R", f"{store.user}:", index.parent], check=True)
    index.write_text("[")
    for words in (("images",), ("run", "--rm", "busybox"), ("system", "df")):
        assert "crunpy system check --repair" in store.fails(*words)
    (told,) = check(store)
    assert told.startswith("image index.json: ")
    assert check(store, "--repair") == [f"{told} (repaired)"]
    assert check(store) == [] and (index.parent / "index.json.damaged").read_text() == "["
    after = dict(line.split() for line in store.ok(*shown).splitlines())
    assert after == {"busybox:latest": before["busybox:latest"],
                     "<none>:<none>": before["other:latest"]}  # fmt: skip
    one = ("run", "--rm", "--network", "none", "--pull", "never", "busybox", "id", "-u")
    assert store.ok(*one) == "0"
    assert store.ok("tag", before["other:latest"], "other") == ""
    index.write_text("{}[")
    store.ok("system", "reset", "-f")
    assert store.ok("images", "-q") == "" and store.ps("-a") == []


def test_leftovers(store: Engine) -> None:
    staging = store.root / "images/.staging"
    for ending in (".lock", ".part"):
        file = staging / ("a" * 64 + ending)
        file.write_text("x")
        subprocess.run(["chown", store.user or "root", file], check=True)
    store.ok("volume", "create", "v")
    gone = store.root / "volumes/.gone-x"
    gone.mkdir()
    subprocess.run(["chown", store.user or "root", gone], check=True)
    told = check(store)
    assert [line.split()[:2] for line in told] == [["leftover", "volumes:"],
                                                   ["leftover", "images:"]]  # fmt: skip
    rows = [json.loads(line) for line in
            store.run("system", "check", "--json").out.splitlines()]  # fmt: skip
    assert [row["name"] for row in rows] == ["volumes", "images"]
    assert check(store, "-r") == [line + " (repaired)" for line in told]
    assert check(store) == []
