"""What the engine decides without a container."""

from __future__ import annotations

from pathlib import Path

import pytest
from stores import context, image

from crun_py.engine import (
    exchange,
    image_removal,
    images,
    manifests,
    selection,
    system,
    units,
    volumes,
    waiting,
)
from crun_py.engine.context import Context
from crun_py.errors import Conflict, InvalidArgument, NotFound, Unsupported
from crun_py.model.image import RemovedPart
from crun_py.model.registry import EntryChange, PushChange


@pytest.fixture
def where(tmp_path: Path) -> Context:
    return context(tmp_path)


def test_selection_without_containers(where: Context, tmp_path: Path) -> None:
    assert selection.named(where, ["b", "a"]) == ["b", "a"]
    assert selection.named(where, [], everything=True) == []
    assert selection.named(where, ["x"], filters=["status=running"]) == []
    with pytest.raises(InvalidArgument, match="no container given"):
        selection.named(where, [])
    with pytest.raises(NotFound):
        selection.named(where, [], latest=True)
    (tmp_path / "id").write_text("abc\n")
    assert selection.ids_in([str(tmp_path / "id")]) == ["abc"]
    with pytest.raises(InvalidArgument, match="reading cidfile"):
        selection.ids_in([str(tmp_path / "none")])
    assert selection.dependents_first(where, ["b", "a"]) == ["b", "a"]
    assert selection.with_dependents(where, ["b"]) == ["b"]


def test_conditions() -> None:
    assert waiting.conditions(["stopped", "exited", "removing"]) == {"exited", "removed"}
    with pytest.raises(InvalidArgument, match="condition 'gone'"):
        waiting.conditions(["exited", "gone"])


def test_waiting_for_what_is_not_there(where: Context) -> None:
    assert waiting.wait(where, "none", missing_ok=True) == waiting.NO_CODE
    assert waiting.wait(where, "none", condition=["removed"]) == waiting.NO_CODE
    with pytest.raises(NotFound):
        waiting.wait(where, "none")


def test_names_of_images(where: Context) -> None:
    image_id = image(where, "base:1")
    images.tag(where, "base:1", "base:2")
    assert images.exists(where, "base:2") and not images.exists(where, "base:3")
    (found,) = images.summaries(where)
    assert found == images.summary(where, image_id[:12])
    assert found.id == image_id and found.names == ("base:1", "base:2") and not found.is_list
    assert found.os == "linux" and found.size_bytes == len("base:1") and found.labels == {}
    assert images.summaries(where, ["dangling=true"]) == ()
    assert exchange.tags_of(where, "base") == tuple(f"docker.io/library/base:{n}" for n in (1, 2))
    with pytest.raises(NotFound, match="no tags"):
        exchange.tags_of(where, "other")
    assert images.untag(where, image_id) == exchange_names(1, 2)
    assert images.summary(where, image_id).names == ()


def exchange_names(*tags: int) -> tuple[str, ...]:
    return tuple(f"docker.io/library/base:{n}" for n in tags)


def test_removal_of_images(where: Context) -> None:
    image_id = image(where, "base:1")
    images.tag(where, "base:1", "base:2")
    with pytest.raises(Conflict, match="several names"):
        image_removal.remove(where, image_id)
    untagged = RemovedPart(action="untagged", what="base:2")
    assert image_removal.remove(where, "base:2") == (untagged,)
    parts = image_removal.remove_unused(where, image_id)
    assert [part.action for part in parts] == ["untagged", "deleted", "deleted"]
    assert parts[1].what == "sha256:" + image_id and image_removal.everything(where) == ()


def test_a_prune_of_images(where: Context) -> None:
    image_id = image(where, "base:1", x="old")
    image(where, "base:1", x="new")
    pruned = image_removal.prune(where)
    assert pruned.parts[0] == RemovedPart(action="deleted", what="sha256:" + image_id)
    assert pruned.freed_bytes > 0 and len(images.ids(where)) == 1
    with pytest.raises(InvalidArgument):
        image_removal.prune(where, ["reference=x"])


def test_a_list_that_cannot_be_made_is_not_left(where: Context) -> None:
    image(where)
    with pytest.raises(Exception, match="dir:/nowhere"):
        manifests.create(where, "list:1", ["base:1", "dir:/nowhere"])
    assert not manifests.exists(where, "list:1")
    digest = manifests.create(where, "list:1", ["base:1"])
    with pytest.raises(Conflict, match="there is one"):
        manifests.create(where, "list:1")
    assert manifests.exists(where, "list:1") and digest.startswith("sha256:")
    manifests.annotate(where, "list:1", "base:1", EntryChange(variant="v8"))
    entries = manifests.inspect(where, "list:1")["manifests"]
    assert isinstance(entries, list) and entries[0]["platform"]["variant"] == "v8"


def test_a_list_is_pushed_with_its_compression(where: Context, tmp_path: Path) -> None:
    """The level, and --force-compression, were passed over in silence."""
    import json

    image(where, "base:1", x="x" * 5000)
    manifests.create(where, "list:1", ["base:1"])
    sizes = {}
    for level in (1, 9):
        change = PushChange(compression="gzip", level=level, anew=True)
        target = tmp_path / f"layout{level}"
        pushed = exchange.push(where, "list:1", f"oci:{target}:x", change=change)
        assert pushed.is_list
        index = json.loads((target / "blobs/sha256" / pushed.digest[7:]).read_text())
        member = index["manifests"][0]["digest"]
        layer = json.loads((target / "blobs/sha256" / member[7:]).read_text())["layers"][0]
        assert layer["mediaType"].endswith("+gzip")
        sizes[level] = layer["size"]
    assert sizes[9] < sizes[1]


def test_volumes(where: Context) -> None:
    assert volumes.create(where, "data", labels={"a": "b"}) == "data"
    anonymous = volumes.create(where)
    volumes.create(where, "data")
    assert volumes.names(where) == tuple(sorted(("data", anonymous)))
    info = volumes.inspect(where, "dat")
    assert (info.name, info.labels, info.anonymous) == ("data", {"a": "b"}, False)
    assert info.used_by == () and Path(info.mountpoint).is_dir() and info.created_at
    assert [i.name for i in volumes.infos(where, ["label=a"])] == ["data"]
    with pytest.raises(Unsupported, match="driver"):
        volumes.create(where, "x", driver="nfs")
    with pytest.raises(InvalidArgument):
        volumes.create(where, "x", options={"colour": "red"})
    assert volumes.prune(where).names == (anonymous,)
    assert volumes.remove(where, "none", missing_ok=True) is None
    assert volumes.remove(where, "data") == "data" and not volumes.exists(where, "data")


def test_events_of_volumes(where: Context) -> None:
    volumes.create(where, "data")
    volumes.create(where, "data")
    volumes.create(where)
    volumes.prune(where, everything=True)
    found = list(system.events(where, since_ns=0, follow=False, filters=["type=volume"]))
    assert [event.action for event in found] == ["create", "create", "destroy", "destroy"]
    assert found[0].id == "data" and found[0].attributes == {"driver": "local"}


def test_space(where: Context) -> None:
    image(where, "base:1", x="x" * 5000)
    usage = system.disk_usage(where)
    assert usage.images.count == 1 and usage.images.reclaimable_bytes > 5000
    assert usage.volumes.count == usage.containers.count == 0
    assert system.prune(where, everything=True, volumes=True).freed_bytes > 5000


def test_the_unit_for_boot_is_ours(where: Context) -> None:
    text = units.unit_for_boot(where, program=["/opt/crunpy", "a b"]).text
    assert f'ExecStart=/opt/crunpy "a b" --root {where.paths.root} --runroot' in text


@pytest.mark.parametrize(
    "module", ["containers", "exchange", "files", "image_removal", "images", "inspection",
               "manifests", "registries", "reset", "selection", "system", "units", "volumes",
               "waiting"]
)  # fmt: skip
def test_calls_are_functions_of_their_module(module: str) -> None:
    found = __import__(f"crun_py.engine.{module}", fromlist=["CALLS"])
    for name in found.CALLS:
        call = getattr(found, name)
        assert call.__module__ == f"crun_py.engine.{module}" and call.__doc__, name
        assert next(iter(call.__annotations__)) == "context", name
        assert "Any" not in str(call.__annotations__), name
