"""Files in containers and in volumes."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest

import crun_py
from crun_py.aio import Engine


async def copied(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "tree").mkdir()
        (Path(home) / "tree/file").write_text("text")
        os.chdir(home)
        async with await engine.containers.create("busybox", network="none") as box:
            await box.copy_in("tree", "/tmp")
            await box.copy_in(Path(home) / "tree/file", "/tmp/named")
            await box.copy_out("/tmp/tree/file", "back")
            assert Path("back").read_text() == "text"
            await box.copy_out("/tmp/tree/.", target=Path(home) / "content")
            assert Path("content/file").read_text() == "text"
            changed = {(one.kind, one.path) for one in await box.changes()}
            assert {("A", "/tmp/tree/file"), ("A", "/tmp/named")} <= changed
            await box.export("all.tar")
            with tarfile.open("all.tar") as archive:
                assert "tmp/tree/file" in archive.getnames()
            with pytest.raises(crun_py.CrunpyError):
                await box.copy_out("/nothing", "x")
        os.chdir("/")


async def committed(engine: Engine) -> None:
    async with await engine.containers.create(
        "busybox", ["sh", "-c", "echo x > /made"], network="none"
    ) as box:
        await box.start()
        await box.wait()
        made = await box.commit(
            "made:1", author="me", message="said", changes=["ENV A=b"], pause=False, squash=False
        )
    assert (await engine.images.get(made)).names == ("made:1",)
    assert [(one.kind, one.path) for one in await engine.images.changes("made:1")] == [
        ("A", "/made")
    ]
    assert ("A", "/made") in [
        (one.kind, one.path) for one in await engine.images.changes("made:1", base="busybox")
    ]
    out = await engine.containers.run("made:1", ["sh", "-c", "cat /made; echo $A"], network="none")
    assert out == b"x\nb\n"
    await engine.images.remove("made:1")


async def shown(engine: Engine) -> None:
    async with await engine.containers.create("busybox", network="none") as box:
        try:
            place = await box.mount()
        except crun_py.Unsupported:
            assert os.geteuid()
            with pytest.raises(crun_py.Unsupported):
                await engine.images.mount("busybox")
            with pytest.raises(crun_py.Unsupported):
                await engine.images.unmount("busybox")
            with pytest.raises(crun_py.Unsupported):
                await box.unmount()
            return
        assert (Path(place) / "bin/busybox").exists()
        await box.unmount()
        place = await engine.images.mount("busybox")
        assert (Path(place) / "bin/busybox").exists()
        await engine.images.unmount("busybox")


async def volumes(engine: Engine) -> None:
    made = await engine.volumes.create("data", labels={"a": "b"})
    assert made.name == "data" and made.labels == {"a": "b"} and not made.anonymous
    assert await engine.volumes.create("data") == made
    unnamed = await engine.volumes.create()
    assert len(unnamed.name) == 64
    assert {one.name for one in await engine.volumes.list()} == {"data", unnamed.name}
    assert [one.name for one in await engine.volumes.list(filters=["label=a"])] == ["data"]
    await engine.containers.run(
        "busybox", ["sh", "-c", "echo x > /d/file"], volumes=["data:/d"], network="none"
    )
    with tempfile.TemporaryDirectory() as home:
        await engine.volumes.export("data", Path(home) / "out.tar")
        with tarfile.open(Path(home) / "out.tar") as archive:
            assert any(name.endswith("file") for name in archive.getnames())
        with tarfile.open(Path(home) / "in.tar", "w") as archive:
            member = tarfile.TarInfo("more")
            member.size = 4
            archive.addfile(member, io.BytesIO(b"more"))
        await engine.volumes.fill("data", f"{home}/in.tar")
    out = await engine.containers.run(
        "busybox", ["cat", "/d/file", "/d/more"], volumes=["data:/d:ro"], network="none"
    )
    assert out == b"x\nmore"
    async with await engine.containers.create(
        "busybox", mounts=[crun_py.VolumeMount("data", "/d")], network="none", name="user"
    ):
        assert (await engine.volumes.get("data")).used_by == ("user",)
        with pytest.raises(crun_py.Conflict):
            await engine.volumes.remove("data")
        await engine.volumes.remove("data", force=True)
    assert not await engine.volumes.exists("data")
    with pytest.raises(crun_py.NotFound):
        await engine.volumes.get("data")
    would = await engine.volumes.prune(filters=["label!=x"], all=True, dry_run=True)
    gone = await engine.volumes.prune(filters=["label!=x"], all=True)
    assert gone.names == would.names == (unnamed.name,)
    special = await engine.volumes.create("mem", options={"type": "tmpfs", "device": "tmpfs"})
    assert special.options["type"] == "tmpfs"
    await engine.volumes.remove("mem")
