"""A container in the making uses its image and its volumes: nobody takes them away."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from stores import context, image

from crun_py import staging, state
from crun_py.container import create, mount_sources, uses
from crun_py.engine import image_removal, volumes
from crun_py.engine.context import Context
from crun_py.errors import Conflict, NotFound
from crun_py.model.container import CreateRequest, LogConfig, Networking
from crun_py.oci.store.images import ImageStore
from crun_py.options.mounts import volume
from crun_py.record import replaced

ASKED = CreateRequest(
    image="base:1", command=("/x",), network=Networking(mode="none"), log=LogConfig(driver="none")
)


@pytest.fixture
def where(tmp_path: Path) -> Context:
    return context(tmp_path)


def make(where: Context, found: Any, *volumes: str, name: str = "") -> state.Container:
    mounts = tuple(volume(text) for text in volumes)
    return create.create(where.paths, found, replaced(ASKED, mounts=mounts, name=name))


def at_work(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Have `act` called while a container is being created, before its volumes are made."""
    real = create.rootfs.prepare

    def made(*args: Any) -> None:
        act()
        real(*args)

    monkeypatch.setattr(create.rootfs, "prepare", made)


def test_its_image_is_not_removed(where: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = image(where)
    seen: list[str] = []

    def attempt() -> None:
        for force in (False, True):
            with pytest.raises(Conflict, match="being created, uses it") as refused:
                image_removal.remove(where, "base:1", force=force)
            seen.append(refused.value.message)
        assert image_removal.prune(where, everything=True).parts == ()

    at_work(monkeypatch, attempt)
    container = make(where, ImageStore(where.paths).find("base:1"))
    assert len(seen) == 2 and container.id[:12] in seen[0]
    assert all(os.path.isdir(f"{where.paths.root}/{layer}") for layer in container.record["layers"])
    with pytest.raises(Conflict, match=f"container {container.id[:12]} uses it"):
        image_removal.remove(where, image_id)


def test_an_image_that_goes_before_it_is_claimed(where: Context) -> None:
    image(where)
    found = ImageStore(where.paths).find("base:1")
    assert found.config  # read, as by a creation that is under way
    image_removal.remove(where, "base:1")
    with pytest.raises(NotFound, match="was removed just now"):
        make(where, found, name="web")
    assert not [n for n in os.listdir(where.paths.containers) if n.startswith(staging.PREFIX)]
    assert state.name_holder(where.paths, "web") is None


def test_its_volume_is_not_removed(where: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    image(where)
    volumes.create(where, "data")
    seen: list[str] = []

    def attempt() -> None:
        for force in (False, True):
            with pytest.raises(Conflict, match="being created, has it"):
                volumes.remove(where, "data", force=force)
        seen.extend(volumes.prune(where, everything=True).names)

    at_work(monkeypatch, attempt)
    container = make(where, ImageStore(where.paths).find("base:1"), "data:/data")
    assert seen == [] and volumes.names(where) == ("data",)
    with pytest.raises(Conflict, match=f"container {container.name} has it"):
        volumes.remove(where, "data")


def test_a_failed_creation_leaves_a_volume_that_another_uses(
    where: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    image(where)
    found = ImageStore(where.paths).find("base:1")
    real = mount_sources.make
    failing = True

    def made(*args: Any) -> None:
        nonlocal failing
        real(*args)
        if failing:
            failing = False
            make(where, found, "data:/data")
            raise NotFound("for the test")

    monkeypatch.setattr(mount_sources, "make", made)
    with pytest.raises(NotFound, match="for the test"):
        make(where, found, "data:/data", "own:/own")
    assert volumes.names(where) == ("data",)


def test_claims_of_the_dead_do_not_count(where: Context) -> None:
    made = staging.Staging(where.paths, "ab" * 32)
    made.open(staging.Claim("ab" * 32, ["12" * 32], ["data"]))
    (claim,) = staging.claims(where.paths)
    assert claim.images == {"12" * 32} and claim.volumes == {"data"}
    assert uses.VolumeUsers(where.paths)("data") and uses.ImageUsers(where.paths)("12" * 32)
    assert not uses.VolumeUsers(where.paths, but="ab" * 32)("data")
    os.close(made._lock)  # what the kernel does for the killed
    assert staging.claims(where.paths) == []


def test_nobody_claims_while_it_is_decided(where: Context) -> None:
    made = staging.Staging(where.paths, "ab" * 32)
    maker = threading.Thread(target=made.open, args=(staging.Claim("ab" * 32),))
    with staging.unclaimed(where.paths):
        maker.start()
        maker.join(0.2)
        assert maker.is_alive() and staging.claims(where.paths) == []
    maker.join()
    assert len(staging.claims(where.paths)) == 1
