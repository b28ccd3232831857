"""Images, registries, and the engine as a whole."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import cast

import pytest

import crun_py
from crun_py.aio import Engine

REGISTRY = os.environ.get("CRUNPY_TEST_REGISTRY", "")
INSECURE = crun_py.RegistryAccess(tls_verify=False, tries=1)


async def pulled_and_pushed(engine: Engine) -> None:
    name = f"{REGISTRY}/pushed/u{os.geteuid()}:1"
    seen: list[object] = []
    pushed = await engine.images.push(
        "busybox", name, registry=INSECURE, on_event=seen.append,
        change=crun_py.PushChange(compression="zstd"),
    )  # fmt: skip
    assert pushed.digest.startswith("sha256:")
    assert any(isinstance(one, crun_py.Progress) for one in seen)
    seen.clear()
    image = await engine.images.pull(name, registry=INSECURE, on_event=seen.append)
    assert name in image.names
    assert {one.phase for one in seen if isinstance(one, crun_py.Progress)} >= {"resolving"}
    assert await engine.images.tags(name.removesuffix(":1"), limit=5, registry=INSECURE) == ("1",)
    await engine.images.pull(name, policy="never", platform=f"{image.os}/{image.architecture}")
    await engine.images.remove(name)
    with pytest.raises(crun_py.NotFound):
        await engine.images.pull(name, policy="never")
    with pytest.raises(crun_py.RegistryError):
        await engine.images.pull(f"{REGISTRY}/no/such", registry=INSECURE)
    out = await engine.containers.run(
        name, ["echo", "x"], registry=INSECURE, pull="always", network="none",
        platform=f"{image.os}/{image.architecture}", on_event=seen.append,
    )  # fmt: skip
    assert out == b"x\n"
    await engine.images.remove(name)
    made = await engine.containers.create(name, network="none", on_event=seen.append)
    assert any(isinstance(one, crun_py.Missing) and one.name == name for one in seen)
    await engine.images.remove(name, force=True)
    await made.remove()


async def found(engine: Engine) -> None:
    busybox = await engine.images.get("busybox")
    assert busybox.names == ("busybox:latest",) and not busybox.is_list
    assert await engine.images.list() == (busybox,)
    assert await engine.images.list(filters=["dangling=true"]) == ()
    assert await engine.images.exists("busybox") and not await engine.images.exists("nothing")
    with pytest.raises(crun_py.NotFound):
        await engine.images.get("nothing")
    await engine.images.tag("busybox", "other:2")
    assert (await engine.images.get("other:2")).id == busybox.id
    await engine.images.untag("busybox", "other:2")
    assert not await engine.images.exists("other:2")
    last = (await engine.images.history("busybox"))[0]
    assert last.names == ("busybox:latest",) and last.size_bytes > 0
    with pytest.raises(crun_py.NotFound):
        await engine.images.history("nothing")


async def built(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "Dockerfile").write_text(
            "FROM busybox AS base\nARG A=1\nRUN --mount=type=secret,id=s "
            "echo $A > /a; cat /run/secrets/s > /s\nFROM base AS last\nCMD cat /a /s\n"
        )
        seen: list[object] = []
        image = await engine.images.build(
            home, tags=["built:1"], build_args={"A": "2"}, labels={"l": "m"},
            secrets={"s": b"hidden"}, network="none", timestamp=0, on_event=seen.append,
            limits=crun_py.Limits(), pull="missing", registry=INSECURE, cache=True, target="last",
        )  # fmt: skip
        assert image.names == ("built:1",) and image.labels == {"l": "m"}
        assert image.created_at.startswith("1970")
        kinds = {one.kind for one in seen if isinstance(one, crun_py.BuildEvent)}
        assert {"step", "done"} <= kinds
        assert await engine.containers.run("built:1", network="none") == b"2\nhidden"
        (Path(home) / "Bad").write_text("FROM busybox\nRUN echo why; exit 9\n")
        with pytest.raises(crun_py.BuildError) as failed:
            await engine.images.build(home, dockerfile=f"{home}/Bad", network="none", cache=False)
        assert failed.value.code == 9 and failed.value.exit_code == 9
        assert "exit 9" in failed.value.shown and failed.value.output == "why\n"
        given = {"s": b""}
        small = await engine.images.build(home, squash=True, secrets=given, network="none")
        assert not small.names
        os.chdir(home)
        try:
            again = await engine.images.build(
                ".", tags=["built:1"], target="base", network="none", secrets=given, platform=""
            )
        finally:
            os.chdir("/")
        assert again.id != image.id
        await _built_files(engine, Path(home))
    would_go = await engine.images.remove("built:1", dry_run=True)
    assert would_go == await engine.images.remove("built:1")
    would = await engine.images.prune(all=False, dry_run=True)
    assert would.parts == (await engine.images.prune(all=False)).parts
    gone = await engine.images.prune_build_cache(filters=["until=1h"], keep_bytes=1 << 30)
    assert gone.names == () and gone.freed_bytes == 0
    everything = await engine.prune(dry_run=True)
    steps = await engine.images.prune_build_cache(dry_run=True)
    assert steps.names and everything.build_cache.names
    assert await engine.prune() == everything
    assert len(await engine.images.list()) == 1


async def _built_files(engine: Engine, home: Path) -> None:
    """Further options, and results that are files."""
    (home / "more").mkdir()
    (home / "more/file").write_text("further")
    (home / "ignored").write_text("FROM nothing-of-this-name\n*\n")
    (home / "Two").write_text(
        "FROM first\nARG TARGETARCH\nCOPY --from=also /file /copied\n"
        "RUN hostname > /host; ulimit -n > /files; echo $TARGETARCH > /arch\n"
    )
    shown = home.parent / (home.name + "-out")
    options = crun_py.BuildOptions(
        dockerfile=home / "Two", base="busybox", contexts={"also": home / "more"},
        network="none", annotations={"a": "b"}, environment={"E": "f"}, jobs=1,
        no_cache_stages=["stage-0"], format="oci", ignore_file=home / "ignored",
        containers={"ulimits": ["nofile=77"]}, insecure=False, ssh=[], cache_from=[], cache_to=[],
        manifests=[], host_network=False,
    )  # fmt: skip
    try:
        told: list[object] = []
        await engine.images.build_files(home, shown, on_event=told.append, **options)
        assert told
        assert (shown / "copied").read_text() == "further"
        assert (shown / "files").read_text() == "77\n"
        before = len(await engine.images.list())
        await engine.images.build_files(
            home, shown / "x.tar", kind="oci", compression="none", **options
        )
        assert len(await engine.images.list()) == before
        (loaded,) = await engine.images.load(shown / "x.tar")
        await engine.images.remove(loaded.id)
        other = {"amd64": "arm64", "arm64": "amd64"}[(shown / "arch").read_text().strip()]
        (home / "Both").write_text("FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\n"
                                   "COPY more/file /\n")  # fmt: skip
        platforms = [f"linux/{other}", ""]
        with pytest.raises(crun_py.InvalidArgument, match="needs a name"):
            await engine.images.build(home, dockerfile=home / "Both", platform=platforms)
        both = await engine.images.build(
            home, dockerfile=home / "Both", platform=platforms, tags=["both:1"]
        )
        assert both.names == ("both:1",)
        await engine.manifests.remove("both:1")
    finally:
        shutil.rmtree(shown, ignore_errors=True)
    for wrong in ({"squash": "some"}, {"containers": {"name": "x"}}, {"jobs": "2"}):
        with pytest.raises(crun_py.InvalidArgument):
            await engine.images.build(home, **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no option nothing"):
        await engine.images.build(home, nothing=1)  # type: ignore[call-arg]


async def saved_and_loaded(engine: Engine) -> None:
    busybox = await engine.images.get("busybox")
    with tempfile.TemporaryDirectory() as home:
        for form in ("docker-archive", "oci-archive", "oci-dir"):
            target = Path(home) / form
            await engine.images.tag("busybox", "saved:1")
            await engine.images.save("saved:1", target, format=form)
            await engine.images.untag("saved:1", "saved:1")
            seen: list[object] = []
            (loaded,) = await engine.images.load(target, on_event=seen.append)
            assert loaded.names == ("docker.io/library/saved:1",)
            assert (await engine.images.get("saved:1")).id == loaded.id
            await engine.images.remove("saved:1")
        await engine.images.save(["busybox"], f"{home}/more")
        with pytest.raises(crun_py.InvalidArgument):
            await engine.images.save(["busybox"], f"{home}/odd", format="tar")
        await engine.images.load(f"{home}/more", platform=None)
        async with await engine.containers.create("busybox", network="none") as box:
            await box.export(f"{home}/root.tar")
        made = await engine.images.import_(
            f"{home}/root.tar", "imported:1", message="m", changes=["CMD echo imported"],
            platform="linux/" + busybox.architecture,
        )  # fmt: skip
        assert (await engine.images.get("imported:1")).id == made.removeprefix("sha256:")
        assert await engine.containers.run("imported:1", network="none") == b"imported\n"
        gone = await engine.images.remove("imported:1")
        assert {one.action for one in gone} == {"untagged", "deleted"}


async def unused(engine: Engine) -> None:
    await engine.images.tag("busybox", "kept:1")
    async with await engine.containers.create("kept:1", network="none"):
        with pytest.raises(crun_py.Conflict):
            await engine.images.remove((await engine.images.get("busybox")).id)
        gone = await engine.images.prune(filters=["until=1h"], all=True)
        assert gone.freed_bytes == 0
        await engine.images.untag("kept:1")
    await engine.images.pull("busybox")


async def lists(engine: Engine) -> None:
    busybox = await engine.images.get("busybox")
    await engine.manifests.create("list:1", ["busybox"])
    with pytest.raises(crun_py.Conflict):
        await engine.manifests.create("list:1")
    await engine.manifests.create("list:1", amend=True, all=False, registry=INSECURE)
    assert await engine.manifests.exists("list:1") and not await engine.manifests.exists("busybox")
    entry = crun_py.EntryChange(architecture="arm64", variant="v8", annotations=("a=b",))
    await engine.manifests.add("list:1", "busybox", entry=entry, all=False, registry=INSECURE)
    await engine.manifests.annotate("list:1", busybox.digest, crun_py.EntryChange(os="linux"))
    shown = await engine.manifests.inspect("list:1", registry=INSECURE)
    assert "manifests" in shown
    name = f"{REGISTRY}/pushed/list{os.geteuid()}:1"
    seen: list[object] = []
    pushed = await engine.manifests.push(
        "list:1", name, all=True, change=crun_py.PushChange(), purge=False, registry=INSECURE,
        on_event=seen.append,
    )  # fmt: skip
    assert pushed.is_list
    own = "linux/arm64/v8"  # what the list says of it counts
    one = await engine.images.push(
        "list:1", name, platform=own, change=crun_py.PushChange(), registry=INSECURE
    )
    assert not one.is_list
    with tempfile.TemporaryDirectory() as home:
        await engine.images.save("list:1", f"{home}/one.tar", platform=own)
        with pytest.raises(crun_py.ImageError):
            await engine.images.save("list:1", f"{home}/one.tar", platform="linux/s390x")
    with pytest.raises(crun_py.ImageError):
        await engine.images.remove("list:1", platforms="linux/s390x")
    await engine.manifests.remove_entry("list:1", busybox.digest)
    await engine.manifests.remove("list:1")
    with pytest.raises(crun_py.NotFound):
        await engine.manifests.remove("list:1")


async def registries(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as home:
        access = crun_py.RegistryAccess(tls_verify=False, tries=1, authfile=f"{home}/auth.json")
        await engine.login(REGISTRY, "user", "word", access=access)
        assert "auths" in Path(f"{home}/auth.json").read_text()
        assert await engine.logout(REGISTRY, access=access)
        assert not await engine.logout(REGISTRY, access=access)
    found = await engine.images.search(f"{REGISTRY}/busybox", limit=5, registry=INSECURE)
    assert any(one.name.endswith("library/busybox") for one in found)
    official = ["is-official=true"]
    assert not await engine.images.search(f"{REGISTRY}/x", filters=official, registry=INSECURE)


async def the_whole(engine: Engine) -> None:
    info = await engine.info()
    assert info.containers == info.running + info.paused + info.stopped
    assert info.images == 1 and os.path.isabs(info.root) and info.cpus == os.cpu_count()
    assert info.rootless is (os.geteuid() != 0) and info.cgroup_version in (1, 2)
    version = await engine.version()
    assert version.version == info.version == crun_py.__version__
    assert version.kernel == info.kernel == os.uname().release
    faults: list[crun_py.Fault] = await engine.check(repair=True, quick=True)
    assert faults == [] == await engine.check()
    findings: list[crun_py.Finding] = await engine.doctor(online=True)
    assert {one.status for one in findings} <= {"ok", "warning", "error"}
    assert "kernel" in {one.name for one in findings if one.status == "ok" and not one.fix}
    assert not any(one.outside for one in findings)  # this is no container
    with tempfile.TemporaryDirectory() as home:
        async with crun_py.aio.Engine(root=f"{home}/root", runroot=f"{home}/run") as other:
            await other.volumes.create("gone")
            await other.reset()
            assert await other.volumes.list() == ()
    usage = await engine.disk_usage()
    assert usage.images.count == 1 and isinstance(usage.volumes, crun_py.Space)
    before = time.time() - 1
    await engine.containers.run("busybox", ["true"], network="none", name="told")
    seen = []
    async for event in engine.events(
        since=before, until=time.time() + 0.5, filters=["container=told"]
    ):
        seen.append(event.action)
    assert seen[0] == "create" and seen[-1] == "destroy"
    async for event in engine.events(since="10m", follow=False, filters=["type=container"]):
        assert isinstance(event, crun_py.Event) and event.attributes
        break
    await engine.containers.create("busybox", network="none")
    gone = await engine.prune(filters=["until=0s"], all=False, volumes=True)
    assert len(gone.containers.names) == 1 and gone.freed_bytes >= 0


async def errors(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "garbage").write_bytes(b"garbage" * 1000)
        with pytest.raises(crun_py.ImageError):
            await engine.images.load(f"{home}/garbage")
        with pytest.raises(crun_py.NotFound):
            await engine.containers.run("busybox:missing", pull="never", network="none")
        with pytest.raises(crun_py.InvalidArgument):
            await engine.containers.create("not a name", network="none")
        with pytest.raises(crun_py.InvalidArgument):
            await engine.containers.create("busybox", name="/", network="none")
        with pytest.raises(crun_py.InvalidArgument):
            await engine.containers.create("busybox", pull="sometimes", network="none")
        with pytest.raises(crun_py.InvalidArgument, match=r"memory \[1\]: not int \| str"):
            await engine.containers.create("busybox", memory=cast(int, [1]))
        with pytest.raises(crun_py.InvalidArgument, match="name 5: not str"):
            await engine.volumes.create(cast(str, 5))
        with pytest.raises(crun_py.InvalidArgument, match="force 'yes': not bool"):
            await engine.volumes.remove("nothing", force=cast(bool, "yes"))
        other = Engine(root=f"{home}/root", runroot=f"{home}/run")
        made = Path(home) / "root/containers" / ("a" * 64)
        made.mkdir(parents=True)
        (made / "container.json").write_text("{")
        with pytest.raises(crun_py.CorruptState) as broken:
            await other.containers.get("a" * 64)
        assert isinstance(broken.value, crun_py.CrunpyError) and broken.value.exit_code == 125
        assert str(broken.value) == broken.value.message and broken.value.errno == 0
        await other.close()


async def a_store_of_its_own(engine: Engine) -> None:
    with tempfile.TemporaryDirectory() as home:
        warned: list[str] = []
        async with Engine(
            root=Path(home) / "root", runroot=f"{home}/run", on_warning=warned.append
        ) as other:
            assert await other.images.list() == ()
            assert await other.containers.list(all=True) == []
        with pytest.raises(crun_py.CrunpyError):
            await other.info()
    another = Engine()
    await another.info()
    await another.close()
    await another.close()
