"""cp: ids of an archive, paths of a container, mounts of one that does not run, odd names."""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest
from engine import Engine
from oci_images import directory, entry, symlink, tar


def archive(uid: int = 1234, gid: int = 77) -> bytes:
    """An archive with a directory and a file of some user."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as new:
        for info, data in (directory("d"), entry("d/f", b"x"), entry("top", b"y", mode=0o640)):
            info.uid, info.gid = uid, gid
            new.addfile(info, io.BytesIO(data or b""))
    return made.getvalue()


def copied(engine: Engine, *words: str) -> list[tarfile.TarInfo]:
    """The entries of the archive that `cp` writes."""
    raw = engine.run("cp", *words, "-", check=True).raw
    with tarfile.open(fileobj=io.BytesIO(raw)) as made:
        return list(made)


def owners(engine: Engine, *paths: str) -> list[str]:
    return engine.ok("exec", "c", "stat", "-c", "%u:%g", *paths).split()


@pytest.mark.parametrize("options", [[], ["-a"]])
def test_an_archive_keeps_its_ids(engine: Engine, options: list[str]) -> None:
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    engine.ok("cp", *options, "-", "c:/tmp", input=archive())
    assert owners(engine, "/tmp/d", "/tmp/d/f", "/tmp/top") == ["1234:77"] * 3
    assert engine.ok("exec", "c", "stat", "-c", "%a", "/tmp/top") == "640"
    engine.ok("stop", "-t0", "c")
    engine.ok("cp", *options, "-", "c:/home", input=archive(5, 6))
    engine.ok("start", "c")
    assert owners(engine, "/home/d", "/home/top") == ["5:6"] * 2


def test_files_of_the_host_become_the_containers(engine: Engine) -> None:
    """Without -a those of its root, as Docker's; with it they keep theirs."""
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    file = engine.home / "f"
    file.write_text("x")
    subprocess.run(["chown", engine.user or "1234:77", file], check=True)
    engine.ok("cp", file, "c:/tmp/plain")
    assert owners(engine, "/tmp/plain") == ["0:0"]
    if not engine.rootless:
        engine.ok("cp", "-a", file, "c:/tmp/kept")
        assert owners(engine, "/tmp/kept") == ["1234:77"]
    file.unlink()


@pytest.mark.parametrize("running", [True, False])
def test_relative_paths_begin_at_the_root(engine: Engine, running: bool) -> None:
    engine.ok(
        "create", "--network", "none", "--name", "c", "-w", "/tmp", "busybox", "sleep", "1000"
    )
    if running:
        engine.ok("start", "c")
    file = engine.home / "f"
    file.write_text("here")
    file.chmod(0o644)
    engine.ok("cp", file, "c:etc/x")
    assert engine.ok("cp", "c:/etc/x", "-").find("here") > 0
    assert engine.ok("cp", "c:etc/x", "-").find("here") > 0
    assert engine.ok("cp", "c:./etc/../etc/x", "-").find("here") > 0
    engine.ok("cp", file, "c:.")
    assert engine.ok("cp", "c:/f", "-").find("here") > 0
    file.unlink()


def test_pause(engine: Engine) -> None:
    """--pause (podman's) in all its spellings; the container runs on."""
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    for option in ("--pause", "--pause=true", "--pause=false"):
        engine.ok("cp", option, "c:/etc/passwd", engine.home / "out")
        assert engine.state("c")["Status"] == "running"
    (engine.home / "out").unlink()


def test_a_star_is_a_name(engine: Engine) -> None:
    engine.detached("--name", "c", "busybox", "sh", "-c", "echo 1 > '/tmp/*'; echo 2 > /tmp/b; "
                    "echo 3 > '/tmp/[b]'; echo ok; sleep 1000")  # fmt: skip
    engine.logs_until("c", "ok")
    for name, content in (("*", "1"), ("[b]", "3")):
        engine.ok("cp", f"c:/tmp/{name}", engine.home / "out")
        assert (engine.home / "out").read_text() == f"{content}\n"
    assert "/tmp/?" in engine.fails("cp", "c:/tmp/?", engine.home / "out")
    (engine.home / "out").unlink()


def test_a_symlinked_directory(engine: Engine) -> None:
    """As a source it is the link, with / behind it what it points to; as a target it is
    followed, inside the container."""
    engine.detached("--name", "c", "busybox", "sh", "-c",
                    "mkdir /real; echo 1 > /real/f; ln -s /real /link; ln -s /no /bad; echo ok; "
                    "sleep 1000")  # fmt: skip
    engine.logs_until("c", "ok")
    assert [(m.name, m.issym()) for m in copied(engine, "c:/link")] == [("link", True)]
    for words in (["c:/link/"], ["c:/link/."], ["-L", "c:/link"]):
        assert any(m.name.endswith("/f") for m in copied(engine, *words)), words
    engine.ok("cp", "-", "c:/link", input=archive())
    assert engine.ok("exec", "c", "ls", "/real").split() == ["d", "f", "top"]
    made = tar(entry("one", b"1"), symlink("two", "one"))
    engine.ok("cp", "-", "c:/link/", input=made)
    assert engine.ok("exec", "c", "readlink", "/real/two") == "one"
    engine.fails("cp", "-", "c:/bad", input=made)


def test_mounts_of_a_created_container(engine: Engine) -> None:
    """What is copied to a volume or tmpfs of one that has not started yet is there when it has."""
    engine.ok("create", "--network", "none", "--name", "c", "-v", "vol:/etc", "--tmpfs", "/t", "-v",
              "/anon", "busybox", "sh", "-c", "cat /etc/f /anon/f; ls /etc/passwd")  # fmt: skip
    made = tar(entry("f", b"copied\n"))
    engine.ok("cp", "-", "c:/etc", input=made)
    engine.ok("cp", "-", "c:/anon", input=made)
    names = subprocess.run(
        ["tar", "t"], input=engine.run("cp", "c:/etc", "-", check=True).raw, stdout=subprocess.PIPE
    ).stdout.decode()
    assert "f\n" in names and "passwd" in names, names  # the image's files came first
    done = engine.run("start", "-a", "c")
    assert done.out.split() == ["copied", "copied", "/etc/passwd"], done
    look = ("run", "--rm", "--network", "none", "-v", "vol:/v", "busybox", "ls", "/v")
    assert "passwd" in engine.ok(*look)


def test_volumes_in_volumes_leave_nothing_behind(engine: Engine) -> None:
    """cp mounts what a created container would have; the outer volume stays as it was."""
    engine.ok("create", "--network", "none", "--name", "c", "-v", "outer:/o", "-v",
              "inner:/o/in/side", "busybox", "true")  # fmt: skip
    engine.ok("cp", "-", "c:/o/in/side", input=tar(entry("f", b"1")))
    engine.ok("cp", "-", "c:/o", input=tar(entry("g", b"2")))
    show = ("run", "--rm", "--network", "none", "-v", "outer:/o", "-v", "inner:/i", "busybox",
            "find", "/o", "/i", "-mindepth", "1")  # fmt: skip
    assert engine.ok(*show).split() == ["/o/g", "/i/f"]
