"""--mount type=glob|ramfs|devpts, tmpcopyup, image-subpath, bind-recursive, idmap with a map."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine
from images import image
from mirror import Registry
from oci_images import entry, tar

RUN = ("run", "--rm", "--network", "none")


def run(engine: Engine, mount: str, script: str, *options: str) -> str:
    return engine.ok(*RUN, *options, "--mount", mount, "busybox", "sh", "-c", script)


def test_a_glob(engine: Engine) -> None:
    directory = engine.home / "globbed"
    directory.mkdir()
    for name in ("lib-a", "lib-b", "other"):
        (directory / name).write_text(name)
    if engine.user:
        subprocess.run(["chown", "-R", engine.user, directory], check=True)
    out = run(engine, f"type=glob,src={directory}/lib-*,dst=/libs,ro",
              "ls /libs; cat /libs/lib-b; echo x > /libs/lib-a || true")  # fmt: skip
    assert out.split() == ["lib-a", "lib-b", "lib-b"]


def test_ramfs_and_devpts(engine: Engine) -> None:
    script = "grep ' /r ' /proc/mounts; stat -c %a /r; echo x > /r/f; cat /r/f"
    first, *rest = run(engine, "type=ramfs,dst=/r,mode=700,noexec", script).split("\n")
    assert first.split()[2] == "ramfs" and rest == ["700", "x"]
    assert {"nosuid", "nodev", "noexec"} <= set(first.split()[3].split(","))
    out = run(engine, "type=devpts,dst=/pts,mode=640,max=3", "grep ' /pts ' /proc/mounts; ls /pts")
    assert out.split()[2] == "devpts" and out.split()[-1] == "ptmx"
    options = out.split("\n")[0].split()[3]
    assert "mode=640" in options and "max=3" in options and "nosuid" in options


def test_a_tmpfs_with_what_the_image_has(engine: Engine) -> None:
    out = run(engine, "type=tmpfs,dst=/etc,tmpcopyup,tmpfs-mode=711",
              "stat -c %a /etc; cat /etc/passwd; grep ' /etc ' /proc/mounts")  # fmt: skip
    lines = out.split("\n")
    assert lines[0] == "711" and lines[1].startswith("root:") and " tmpfs " in lines[-1]
    assert "nosuid" in lines[-1]
    # at each start, and from the container's own files
    engine.ok("create", "--name", "c", "--network", "none", "--tmpfs", "/etc:tmpcopyup", "busybox",
              "sh", "-c", "ls -l /etc/passwd /etc/new; touch /etc/other; ls /etc")  # fmt: skip
    engine.run("start", "-a", "c")
    file = engine.home / "new"
    file.write_text("new")
    engine.ok("cp", file, "c:/etc/new")
    out = engine.run("start", "-a", "c").out
    assert "/etc/new" in out and "/etc/passwd" in out
    assert "other" not in engine.ok("diff", "c")


def test_a_part_of_an_image(engine: Engine) -> None:
    out = run(
        engine, "type=image,src=busybox,dst=/i,image-subpath=/etc", "ls /i; echo x > /i/f || true"
    )
    assert "passwd" in out.split() and "bin" not in out.split()
    assert engine.run(*RUN, "--mount", "type=image,src=busybox,dst=/i,subpath=etc",
                      "busybox", "touch", "/i/f").code == 1  # fmt: skip
    told = engine.fails(*RUN, "--mount", "type=image,src=busybox,dst=/i,subpath=no/such",
                        "busybox", "true")  # fmt: skip
    assert "no/such of image" in told and "no such file" in told


@pytest.fixture
def nested(root: Engine) -> Iterator[Path]:
    """A directory of the host with a mount below it."""
    directory = root.home / "nested"
    (directory / "below").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory / "below"], check=True)
    yield directory
    subprocess.run(["umount", directory / "below"], check=True)


def test_read_only_goes_down_unless_writable_is_said(root: Engine, nested: Path) -> None:
    script = "echo x > /m/top && echo top; echo x > /m/below/f && echo below"
    bind = f"type=bind,src={nested},dst=/m"
    for how, written in (
        ("", ["top", "below"]),
        (",ro", []),
        (",ro,bind-recursive=readonly", []),
        (",ro,bind-recursive=enabled", []),
        (",ro,bind-recursive=writable", ["below"]),
        (",ro,bind-recursive=disabled", []),
    ):
        out = root.run(*RUN, "--mount", bind + how, "busybox", "sh", "-c", script).out
        assert out.split() == written, how
    out = root.run(*RUN, "-v", f"{nested}:/m:ro", "busybox", "sh", "-c", script).out
    assert out == ""


# ---- owners ----


@pytest.fixture
def owned(root: Engine) -> Path:
    directory = root.home / "owned"
    directory.mkdir()
    directory.chmod(0o777)
    for number in (0, 3, 20):
        file = directory / str(number)
        file.touch()
        subprocess.run(["chown", f"{number}:{number}", file], check=True)
    return directory


SHOW = "cd /m; touch new; stat -c '%n %u %g' *"


def test_owners_by_a_map(root: Engine, owned: Path) -> None:
    out = run(root, f"type=bind,src={owned},dst=/m,idmap=uids=0-0-1#3-1003-1;gids=0-0-10", SHOW)
    assert out.split("\n") == ["0 0 0", "20 65534 65534", "3 1003 3", "new 0 0"]
    out = run(
        root,
        f"type=bind,src={owned},dst=/m,idmap=uids=0-99-1#7-0-1;gids=0-99-1#8-0-1",
        "touch /m/mapped",
    )
    assert ((owned / "mapped").stat().st_uid, (owned / "mapped").stat().st_gid) == (7, 8)
    out = root.ok(*RUN, "-v", f"{owned}:/m:idmap=uids=0-5-10", "busybox", "stat", "-c%u", "/m/3")
    assert out == "8"


def test_a_map_of_the_containers_own_ids(root: Engine, owned: Path) -> None:
    """@: what is shown is counted in the container's user namespace."""
    spaces = ("--uidmap", "0:100000:1000", "--gidmap", "0:100000:1000")
    bind = f"type=bind,src={owned},dst=/m,idmap="
    out = run(root, bind + "@uids=3-0-1;gids=3-4-1", "stat -c '%u %g' /m/3 /m/0", *spaces)
    assert out.split("\n") == ["0 4", "65534 65534"]
    out = run(root, bind + "uids=3-100007-1", "stat -c '%u %g' /m/3", *spaces)
    assert out == "7 7"


def test_a_map_of_a_volume(root: Engine) -> None:
    root.ok(*RUN, "-v", "data:/m", "busybox", "touch", "/m/f")
    out = run(root, "type=volume,src=data,dst=/m,idmap=uids=0-9-1", "stat -c %u /m/f")
    assert out == "9"


def test_a_map_is_for_root_only(user: Engine) -> None:
    told = user.fails(*RUN, "-v", f"{user.home}:/m:idmap=uids=0-1-1", "busybox", "true")
    assert "for root only" in told and "keep-id" in told
    assert user.ps("-a") == []


def test_a_new_volume_with_mapped_owners(root: Engine) -> None:
    """It is the container's root's inside; on the disk, and for others, it is root's."""
    spaces = ("--uidmap", "0:100000:1000", "--gidmap", "0:100000:1000")
    out = root.ok(*RUN, *spaces, "-v", "uv:/etc:idmap", "busybox", "sh", "-c",
                  "touch /etc/new; stat -c '%u %g' /etc /etc/passwd /etc/new")  # fmt: skip
    assert out.split("\n") == ["0 0"] * 3
    out = root.ok(*RUN, "-v", "uv:/m", "busybox", "stat", "-c", "%u", "/m/passwd", "/m/new")
    assert out.split() == ["0", "0"]


def test_options_of_a_tmpfs(engine: Engine) -> None:
    """Known before anything is made; the kernel's word comes late and is a number."""
    for bad in ("foo", "size=x", "mode=9", "uid=-1", "size="):
        told = engine.fails("create", "--tmpfs", f"/m:{bad}", "busybox")
        assert bad in told, told
    assert engine.ps("-a") == []
    out = engine.ok(*RUN, "--tmpfs", "/m:noatime,size=1m,notmpcopyup", "busybox", "grep", " /m ",
                    "/proc/mounts")  # fmt: skip
    assert "noatime" in out and "size=1024k" in out


def test_links_of_an_image_lead_nowhere_else(engine: Engine, registry: Registry) -> None:
    """What a tmpfs begins with, and a part of an image, are the image's, whatever its links say."""
    canary = engine.home / "canary-of-mounts"
    canary.mkdir(mode=0o755)
    (canary / "secret").write_text("of the host")
    if engine.user:
        subprocess.run(["chown", "-R", engine.user, canary], check=True)
    up = "../" * 12 + str(canary).lstrip("/")
    layer = tar(
        entry("absolute", type=tarfile.SYMTYPE, linkname=str(canary)),
        entry("up", type=tarfile.SYMTYPE, linkname=up),
        entry("top", type=tarfile.SYMTYPE, linkname="/proc/1/root"),
    )
    name = registry.push("test/mount-links", image(registry.busybox, layer))
    engine.ok("pull", "-q", name)
    for link in ("absolute", "up", "top"):
        words = ("--tmpfs", f"/{link}:tmpcopyup", name, "ls", "-A", f"/{link}/")
        assert "secret" not in engine.run(*RUN, *words).out, link
        part = f"type=image,src={name},dst=/part,image-subpath={link}"
        done = engine.run(*RUN, "--mount", part, "busybox", "ls", "-A", "/part/")
        assert "secret" not in done.out and done.code in (0, 125), done
    assert sorted(p.name for p in canary.iterdir()) == ["secret"]
    engine.ok("rmi", "-f", name)


def test_idmap_with_a_users_own_map(user: Engine) -> None:
    told = user.fails(*RUN, "--userns", "keep-id", "-v", f"{user.home}:/m:idmap", "busybox", "true")
    assert "for root only" in told and "keep-id" in told


def test_a_tmpfs_of_the_containers_user(engine: Engine) -> None:
    """The option U, as of binds and volumes."""
    show = ("busybox", "sh", "-c", "stat -c '%u:%g' /m; touch /m/f")
    for mount in (("--tmpfs", "/m:size=1m,U"), ("--mount", "type=tmpfs,dst=/m,U=true"),
                  ("--mount", "type=tmpfs,dst=/m,chown=true,tmpfs-mode=700")):  # fmt: skip
        assert engine.ok(*RUN, "-u", "7:8", *mount, *show) == "7:8", mount
    assert engine.ok(*RUN, "--mount", "type=tmpfs,dst=/m,U=false", *show) == "0:0"


def test_a_volume_that_is_not_written(engine: Engine) -> None:
    """-v VOLUME:…:O: changes go with the container; they are there after a restart."""
    engine.ok("volume", "create", "kept")
    engine.ok(*RUN, "-v", "kept:/m", "busybox", "sh", "-c", "echo one > /m/a")
    script = "cat /m/a; echo two > /m/a; echo three > /m/b; cat /m/*"
    made = engine.ok(
        "create", "--network", "none", "-v", "kept:/m:O", "busybox", "sh", "-c", script
    )
    assert engine.ok("start", "-a", made).split() == ["one", "two", "three"]
    assert engine.ok("start", "-a", made).split() == ["two", "two", "three"]
    assert engine.ok(*RUN, "-v", "kept:/m", "busybox", "sh", "-c", "cat /m/*") == "one"
    told = engine.fails("volume", "rm", "kept", code=1)
    assert f"container {engine.inspect(made)['Name'].lstrip('/')} has it" in told
    engine.ok("rm", made)
    engine.ok("volume", "rm", "kept")
