"""-v, --tmpfs and --mount as mounts."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from crun_py import caller
from crun_py.errors import InvalidArgument
from crun_py.model.container import Bind, IdMap, ImageMount, KernelMount, Tmpfs, VolumeMount
from crun_py.options import mount_options, mounts
from crun_py.options.paths import host_path

VOLUMES = [
    ("/d", VolumeMount(name="", target="/d")),
    ("data:/d", VolumeMount(name="data", target="/d")),
    ("data:/d:ro", VolumeMount(name="data", target="/d", read_only=True, mode="ro")),
    ("data:/d:nocopy,U", VolumeMount(name="data", target="/d", copy=False, chown=True,
                                     mode="nocopy,U")),
    ("/a:/d", Bind(source="/a", target="/d", create=True)),
    ("/a/../b:/d//x/", Bind(source="/b", target="/d/x", create=True)),
    ("/a:/d:ro,rslave,noexec", Bind(source="/a", target="/d", create=True, read_only=True,
                                    propagation="rslave", flags=("noexec",),
                                    mode="ro,rslave,noexec")),
    ("a:/d:O", VolumeMount(name="a", target="/d", overlay=True, mode="O")),
    ("/a:/d:O", Bind(source="/a", target="/d", create=True, overlay=True, mode="O")),
    ("/a:/d:idmap,z", Bind(source="/a", target="/d", create=True, idmapped=True, mode="idmap,z",
                          relabel="shared")),
    ("v:/d:Z", VolumeMount(name="v", target="/d", mode="Z", relabel="private")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), VOLUMES)
def test_volume(text: str, expected: Bind | VolumeMount) -> None:
    assert mounts.volume(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", ":", "a:", ":/d", "a:/d:ro:x", "a:d", "a:/", "/a:/d:nope", "-x:/d", "a b:/d", ":/d:O",
     "a:/d:ro,rw", "a:/d:copy,nocopy", "/a:/d:shared,private", "a:/proc",
     "a:/d:z,Z", "data:/sys/x", "/etc:/proc/1", "a:/d/../..", "a\0:/d"],
)  # fmt: skip
def test_bad_volume(text: str) -> None:
    with pytest.raises(InvalidArgument):
        mounts.volume(text)


def test_relative_paths_and_homes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = caller.variables()
    caller.has({"HOME": "/home/me"})
    try:
        assert mounts.volume("./x:/d").source == os.path.abspath("x")  # type: ignore[union-attr]
        assert host_path("~") == "/home/me"
        assert host_path("~/a/../b") == "/home/me/b"
        assert host_path("~root/x") == f"{pwd.getpwnam('root').pw_dir}/x"
        assert host_path("a~") == os.path.abspath("a~")
    finally:
        caller.has(before)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/t", Tmpfs(target="/t")),
        ("/t:size=1m,mode=1777", Tmpfs(target="/t", options=("size=1m", "mode=1777"))),
        ("/t/:exec", Tmpfs(target="/t", options=("exec",))),
    ],
)
def test_tmpfs(text: str, expected: Tmpfs) -> None:
    assert mounts.tmpfs(text) == expected


@pytest.mark.parametrize("text", ["", "t", "/", "/t:a b", "/t:x/y", "/proc"])
def test_bad_tmpfs(text: str) -> None:
    with pytest.raises(InvalidArgument):
        mounts.tmpfs(text)


MOUNTS = [
    ("type=bind,source=/a,target=/d", Bind(source="/a", target="/d")),
    ("type=bind,src=/a,dst=/d,ro", Bind(source="/a", target="/d", read_only=True)),
    ("type=bind,src=/a,dst=/d,relabel=shared", Bind(source="/a", target="/d", relabel="shared")),
    ("type=volume,src=v,dst=/d,z", VolumeMount(name="v", target="/d", relabel="shared")),
    ("type=bind,src=/a,dst=/d,bind-propagation=rshared,bind-nonrecursive=true",
     Bind(source="/a", target="/d", propagation="rshared", recursive=False)),
    ("source=v,destination=/d", VolumeMount(name="v", target="/d")),
    ("type=volume,dst=/d,volume-nocopy", VolumeMount(name="", target="/d", copy=False)),
    ("type=volume,src=v,dst=/d,volume-label=a=b,volume-opt=type=tmpfs,volume-opt=device=tmpfs",
     VolumeMount(name="v", target="/d", labels={"a": "b"},
                 options={"type": "tmpfs", "device": "tmpfs"})),
    ("type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=700",
     Tmpfs(target="/t", options=("size=64m", "mode=700"))),
    ("type=image,source=busybox,dst=/i", ImageMount(image="busybox", target="/i")),
    ("type=image,source=busybox,dst=/i,rw", ImageMount(image="busybox", target="/i",
                                                       writable=True)),
    ('type=bind,"source=/a,b",dst=/d', Bind(source="/a,b", target="/d")),
    ("type=bind,src=/a,dst=/d,readonly=force,Z",
     Bind(source="/a", target="/d", read_only=True, relabel="private")),
    ("type=bind,src=/a,dst=/d,ro,bind-recursive=writable",
     Bind(source="/a", target="/d", read_only=True, read_only_below=False)),
    ("type=bind,src=/a,dst=/d,ro,bind-recursive=readonly",
     Bind(source="/a", target="/d", read_only=True)),
    ("type=bind,src=/a,dst=/d,idmap=uids=0-1-10#10-11-10;gids=0-100-10",
     Bind(source="/a", target="/d", idmapped=True,
          id_map=IdMap(uids=((0, 1, 10), (10, 11, 10)), gids=((0, 100, 10),)))),
    ("type=volume,src=v,dst=/d,idmap=@uids=0-5-1",
     VolumeMount(name="v", target="/d", idmapped=True,
                 id_map=IdMap(uids=((0, 5, 1),), gids=((0, 5, 1),), relative=True))),
    ("type=tmpfs,dst=/t,tmpcopyup", Tmpfs(target="/t", options=("tmpcopyup",))),
    ("type=ramfs,dst=/r,mode=700,noexec",
     KernelMount(kind="ramfs", target="/r", options=("noexec", "mode=700"))),
    ("type=devpts,dst=/p,uid=3,mode=600,max=9",
     KernelMount(kind="devpts", target="/p", options=("uid=3", "mode=600", "max=9"))),
    ("type=image,src=busybox,dst=/i,image-subpath=bin",
     ImageMount(image="busybox", target="/i", subpath="bin")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MOUNTS)
def test_mount(text: str, expected: object) -> None:
    assert mount_options.parse(text) == [expected]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type=bnd,src=/a,dst=/d", "did you mean bind"),
        ("type=bind,src=/a", "no destination"),
        ("type=bind,dst=/d", "needs source"),
        ("type=bind,src=/a,dst=/d,redonly", "did you mean"),
        ("type=bind,src=/a,dst=/d,ro=maybe", "neither true nor false"),
        ("type=bind,src=/a,dst=/d,src=/b", "given twice"),
        ("type=tmpfs,src=/a,dst=/d", "no source"),
        ("type=tmpfs,dst=/d,tmpfs-size=much", "not a number"),
        ("type=image,dst=/d", "needs source"),
        ("type=volume,src=a b,dst=/d", "not allowed"),
        ("type=volume,src=a,dst=/d,volume-driver=nfs", "local"),
        ("type=ramfs,src=/a,dst=/d", "no source"),
        ("type=devpts,dst=/d,max=some", "not a number"),
        ("type=image,src=a,dst=/d,rw,subpath=b", "read-only"),
        ("type=bind,src=/a,dst=/d,idmap=uids=0-1", "STORED-SHOWN-COUNT"),
        ("type=bind,src=/a,dst=/d,idmap=uids=0-1-0", "out of range"),
        ("type=bind,src=/a,dst=/d,idmap=who=0-1-1", "not uids="),
        ("type=glob,src=/no/such/*,dst=/d", "nothing matches"),
        ("type=bind,src=/a,dst=/d,relabel=mine", "shared (z) or private (Z)"),
        ("type=bind,src=/a,dst=/d,z,relabel=shared", "shared (z) or private (Z)"),
        ("type=tmpfs,dst=/d,z", "not known"),
    ],
)
def test_bad_mount(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        mount_options.parse(text)
    assert said in caught.value.line()


def test_a_glob_is_a_bind_of_each(tmp_path: Path) -> None:
    for name in ("lib-a", "lib-b", "other"):
        (tmp_path / name).touch()
    found = mount_options.parse(f"type=glob,src={tmp_path}/lib-*,dst=/d,ro")
    assert found == [
        Bind(source=f"{tmp_path}/{name}", target=f"/d/{name}", read_only=True)
        for name in ("lib-a", "lib-b")
    ]


def test_a_volume_with_an_id_map() -> None:
    made = mounts.volume("/a:/d:idmap=uids=0-1-2,ro")
    assert made.id_map == IdMap(uids=((0, 1, 2),), gids=((0, 1, 2),)) and made.read_only
