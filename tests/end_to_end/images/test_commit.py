"""commit, export, import, mount: containers, archives and images into each other."""

from __future__ import annotations

import bz2
import gzip
import http.server
import io
import json
import lzma
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import Engine

SCRIPT = """
    echo new > /new; rm /etc/group; rm -r /home; mkdir /home; echo x > /home/mine; ln /new /hard
    chown 1234:77 /new; chmod 4755 /new; echo v > /vol/f; ln -s new /link; mkdir -p /a/b; echo done
    sleep 1000
"""


@pytest.fixture
def made(engine: Engine) -> Iterator[Engine]:
    """A running container `c` that has changed much, and no images but busybox afterwards."""
    engine.detached(
        "--name", "c", "-v", "/vol", "-e", "A=1", "-l", "k=v", "-w", "/tmp", "busybox", "sh", "-c",
        SCRIPT,
    )  # fmt: skip
    engine.logs_until("c", "done")
    yield engine
    engine.ok("rm", "-fav")
    for line in engine.ok("images", "--format", "{{.Repository}} {{.ID}}").splitlines():
        repository, image_id = line.split()
        if repository != "busybox":
            engine.run("rmi", "-f", image_id)


def image(engine: Engine, name: str) -> Any:
    return json.loads(engine.ok("image", "inspect", name))[0]


# ---- commit ----


def test_commit(made: Engine) -> None:
    image_id = made.ok("commit", "-a", "Me <me@x>", "-m", "why", "c", "test/img:v1")
    assert image_id.startswith("sha256:") and len(image_id) == 71
    assert made.state("c")["Status"] == "running"
    found = image(made, "test/img:v1")
    assert found["Id"] == image_id and found["Author"] == "Me <me@x>" and found["Comment"] == "why"
    config = found["Config"]
    assert config["Labels"] == {"k": "v"} and config["WorkingDir"] == "/tmp"
    assert "A=1" in config["Env"] and not any(e.startswith("HOSTNAME=") for e in config["Env"])
    assert "why" in made.ok("history", "test/img:v1")
    out = made.ok(
        "run", "--rm", "--network", "none", "test/img:v1", "sh", "-c",
        "cat /new; ls /home; ls /etc/group; stat -c '%u:%g %a' /new; stat -c %h /new;"
        "readlink /link; ls -d /a/b; ls /vol; echo $A; pwd",
    )  # fmt: skip
    assert out.split("\n") == [
        "new", "mine", "1234:77 4755", "2", "new", "/a/b", "1", "/tmp"
    ]  # fmt: skip


def test_what_was_committed_can_be_committed_again_and_is_the_same(made: Engine) -> None:
    first = image(made, made.ok("commit", "c"))
    again = image(made, made.ok("commit", "--pause=false", "c"))
    assert first["RootFS"]["Layers"] == again["RootFS"]["Layers"]
    made.ok("kill", "c")
    third = image(made, made.ok("commit", "c", "third"))
    assert third["RootFS"]["Layers"] == first["RootFS"]["Layers"]
    made.ok("create", "--network", "none", "--name", "d", "third")
    fourth = image(made, made.ok("commit", "d"))
    assert fourth["RootFS"]["Layers"][:-1] == third["RootFS"]["Layers"]
    made.ok("rm", "-f", "d")


def test_commit_squashed(made: Engine) -> None:
    found = image(made, made.ok("commit", "--squash", "c", "flat"))
    assert len(found["RootFS"]["Layers"]) == 1
    out = made.ok("run", "--rm", "--network", "none", "flat", "sh", "-c",
                  "cat /new; ls /home; ls /etc; ls /")  # fmt: skip
    assert {"new", "mine", "passwd", "bin", "a"} < set(out.split()) and "group" not in out


def test_changes(made: Engine, tmp_path: Path) -> None:
    changes = [
        'CMD ["echo", "hi"]', "ENV B=2 C='3 4'", "ENV D five six", "EXPOSE 80 53/udp", "LABEL x=y",
        "USER tester", "VOLUME /data", "WORKDIR sub", "STOPSIGNAL SIGINT", "ONBUILD RUN true",
        "HEALTHCHECK --interval=5s --retries=2 CMD true",
    ]  # fmt: skip
    options = [word for change in changes for word in ("-c", change)]
    made.ok("commit", *options, "--include-volumes", "c", "changed")
    config = image(made, "changed")["Config"]
    assert config["Cmd"] == ["echo", "hi"]
    assert {"A=1", "B=2", "C=3 4", "D=five six"} <= set(config["Env"])
    assert set(config["ExposedPorts"]) == {"80/tcp", "53/udp"} and config["Labels"]["x"] == "y"
    assert config["User"] == "tester" and config["WorkingDir"] == "/tmp/sub"
    assert set(config["Volumes"]) == {"/data", "/vol"} and config["StopSignal"] == "SIGINT"
    assert made.ok("run", "--rm", "--network", "none", "changed") == "hi"
    made.ok("commit", "-c", "ENTRYPOINT=/bin/true", "-c", "CMD=x", "c", "podmans")
    config = image(made, "podmans")["Config"]
    assert config["Entrypoint"] == ["/bin/sh", "-c", "/bin/true"]


@pytest.mark.parametrize(
    "change", ["NOSUCH x", "ENV", "ENV A", "EXPOSE x", "STOPSIGNAL nosuch", "", "VOLUME",
               "ONBUILD FROM x", "HEALTHCHECK --nosuch=1 CMD x", "HEALTHCHECK", "LABEL =x"],
)  # fmt: skip
def test_bad_changes(root: Engine, change: str) -> None:
    root.ok("create", "--network", "none", "--name", "c", "busybox")
    assert "change" in root.fails("commit", "-c", change, "c")


def test_bad_commits(made: Engine) -> None:
    assert "no such container" in made.fails("commit", "nosuch")
    made.fails("commit", "c", "Upper/Case")
    assert "format" in made.fails("commit", "--format", "x", "c")
    if made.user:
        assert "cgroup" in made.fails("commit", "--pause", "c")


def test_formats_and_id_files(made: Engine, base: Path) -> None:
    file = made.home / "iid"
    given = made.ok(
        "commit", "-q", "--format", "docker", "-m", "hello", "--iidfile", file, "c", "d"
    )
    assert file.read_text() == given and image(made, "d")["Comment"] == "hello"
    assert made.ok("run", "--rm", "--network", "none", "d", "cat", "/new") == "new"
    file.unlink()


def test_a_large_commit_is_paused_meanwhile(root: Engine) -> None:
    """The two files are the same in every instant at which all processes stand still."""
    put = "echo $i > /t; mv /t "
    script = f"i=0; while :; do i=$((i+1)); {put} /a; {put} /z; done"
    root.detached("--name", "c", "busybox", "sh", "-c", script)
    for n in range(5):
        root.ok("commit", "c", f"p{n}")
        a, z = root.ok("run", "--rm", "--network", "none", f"p{n}", "cat", "/a", "/z").split()
        assert int(a) - int(z) in (0, 1)
        root.ok("rmi", f"p{n}")
    assert root.state("c")["Status"] == "running"


# ---- export and import ----


def names(raw: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return {m.name: m for m in archive}


def test_export(made: Engine) -> None:
    running = names(made.run("export", "c", check=True).raw)
    assert running["new"].uid == 1234 and running["new"].mode == 0o4755
    assert running["new"].islnk() or running["hard"].islnk()
    assert "vol/f" not in running and "vol" in running and "etc/group" not in running
    assert "proc/1" not in running and "bin/busybox" in running
    made.ok("kill", "c")
    file = made.home / "out.tar"
    made.ok("export", "-o", file, "c")
    assert names(file.read_bytes()).keys() == running.keys()
    file.unlink()
    terminal = made.pty("export", "c")
    assert b"terminal" in terminal.until(b"\n") and terminal.wait() == 125


def test_round_trip(made: Engine) -> None:
    raw = made.run("export", "c", check=True).raw
    image_id = made.ok("import", "-c", "CMD cat /new", "-m", "hello", "-", "back:v2", input=raw)
    found = image(made, "back:v2")
    assert found["Id"] == image_id and found["Comment"] == "hello"
    assert found["Config"]["Cmd"] == ["/bin/sh", "-c", "cat /new"]
    assert made.ok("run", "--rm", "--network", "none", "back:v2") == "new"


def archive(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_import_compressed(root: Engine, base: Path, pack: Any) -> None:
    plain = archive(f=b"content" * 100000)
    file = base / "packed"
    file.write_bytes(pack(plain))
    image_id = root.ok("import", "--arch", "arm64", file)
    found = image(root, image_id)
    assert found["Architecture"] == "arm64" and found["Os"] == "linux"
    assert root.ok("import", "--arch", "arm64", file) != ""
    for line in root.ok("images", "-q", "--filter", "dangling=true").split():
        root.run("rmi", "-f", line)


def test_import_from_a_url(root: Engine, base: Path) -> None:
    directory = base / "served"
    directory.mkdir()
    (directory / "x.tar.gz").write_bytes(gzip.compress(archive(f=b"1")))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(directory))

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        root.ok("import", f"{url}/x.tar.gz", "fromurl")
        assert "not found" in root.fails("import", f"{url}/nosuch")
        server.shutdown()
    assert "refused" in root.fails("import", f"{url}/x.tar.gz")
    root.ok("rmi", "fromurl")


def test_bad_imports(engine: Engine) -> None:
    before = sorted(os.listdir(engine.root / "images/blobs/sha256"))
    engine.fails("import", "-", input=b"")
    engine.fails("import", "-", input=b"no tar at all" * 100)
    engine.fails("import", "-", input=archive(f=b"x")[:700])
    engine.fails("import", "-", input=gzip.compress(archive(f=b"x" * 10000))[:-20])
    assert "nosuch" in engine.fails("import", "/nosuch")
    evil = archive(**{"../evil": b"x"})
    engine.fails("import", "-", input=evil)
    assert sorted(os.listdir(engine.root / "images/blobs/sha256")) == before
    assert [p for p in os.listdir(engine.root / "layers") if p.startswith(".staging")] == []


# ---- mount ----


def test_mount_as_root(root: Engine) -> None:
    root.ok("create", "--network", "none", "--name", "c", "busybox", "sh", "-c",
            "cat /etc/motd; echo 2 > /etc/motd; sleep 1000")  # fmt: skip
    path = Path(root.ok("mount", "c"))
    (path / "etc/motd").write_text("1\n")
    assert root.ok("mount", "c") == str(path)
    found = root.ok("inspect", "--format", "{{.Id}}", "c")
    assert root.ok("mount") == f"{found[:12]} {path}"
    assert json.loads(root.ok("mount", "--format", "json"))[0]["mountpoint"] == str(path)
    root.ok("start", "c")
    root.logs_until("c", "1")
    assert (path / "etc/motd").read_text() in ("1\n", "2\n")
    assert root.ok("unmount", "c") == "c"
    assert root.ok("mount") == "" and "not mounted" in root.fails("unmount", "c")
    running = Path(root.ok("mount", "c"))
    assert (running / "etc/motd").read_text() == "2\n"
    (running / "etc/issue").write_text("3")
    assert root.ok("exec", "c", "cat", "/etc/issue") == "3"
    assert not list((running / "proc").iterdir())
    assert root.ok("umount", "-a") == found
    root.ok("mount", "c")
    root.ok("rm", "-f", "c")


def test_mount_as_a_user(user: Engine) -> None:
    user.ok("create", "--network", "none", "--name", "c", "busybox", "cat", "/etc/motd")
    assert "crunpy unshare" in user.fails("mount", "c")
    main = user.command()[-2:]
    script = 'p=$("$0" "$1" mount c) && echo mine > $p/etc/motd && ls -ln $p/etc/passwd'
    out = user.ok("unshare", "sh", "-c", script, *main)
    assert out.split()[2:4] == ["0", "0"]
    assert user.ok("start", "-a", "c") == "mine"
    assert user.ok("unshare", "id", "-u") == "0"
    assert user.run("unshare", "sh", "-c", "exit 3").code == 3
    assert "nosuch" in user.fails("unshare", "nosuch", code=127)
