"""`cp`: docker's rules for names and owners, running and stopped, against hostile containers."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine


def furnish(path: Path, engine: Engine) -> None:
    """Make `path` anew with a file and a tree that belong to the engine's user."""
    shutil.rmtree(path, ignore_errors=True)
    (path / "tree/sub").mkdir(parents=True)
    (path / "file").write_text("content")
    (path / "tree/a").write_text("A")
    (path / "tree/sub/b").write_text("B")
    (path / "tree/link").symlink_to("a")
    (path / "tree/a").chmod(0o640)
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", path], check=True)


@pytest.fixture
def here(engine: Engine) -> Iterator[Path]:
    """A directory of the engine's user, with a file and a tree."""
    path = engine.home / "here"
    furnish(path, engine)
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=["running", "stopped"])
def there(request: pytest.FixtureRequest, engine: Engine) -> Engine:
    """The engine with a container `c`: /d (a directory), /d/f (a file), /l -> /d, a volume
    /vol and its host's resolv.conf."""
    script = (
        "mkdir -p /d/sub; echo -n old > /d/f; echo -n deep > /d/sub/g; ln -s /d /l; ln -s f /d/s;"
        "chown 1234:77 /d/f; chmod 4750 /d/f; echo ready"
    )
    made = ("--name", "c", "-v", "/vol", "busybox", "sh", "-c")
    if request.param == "stopped":
        engine.ok("run", "--network", "none", *made, script)
    else:
        engine.detached(*made, f"{script}; sleep 1000")
        engine.logs_until("c", "ready")
    return engine


def seen(engine: Engine, path: str, name: str = "c") -> dict[str, tarfile.TarInfo]:
    """What is at `path` of the container, by its names in the archive."""
    raw = engine.run("cp", f"{name}:{path}", "-", check=True).raw
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return {member.name: member for member in archive}


def text(engine: Engine, path: str) -> str:
    raw = engine.run("cp", "-L", f"c:{path}", "-", check=True).raw
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        (member,) = archive.getmembers()
        content = archive.extractfile(member)
        assert content
        return content.read().decode()


# ---- names ----


@pytest.mark.parametrize(
    "source,target,made",
    [
        ("file", "/d", "/d/file"),
        ("file", "/d/", "/d/file"),
        ("file", "/d/new", "/d/new"),
        ("file", "/d/f", "/d/f"),
        ("file", "/l", "/d/file"),
        ("file", "d/new", "/d/new"),
        ("file", "/l/../d/./new", "/d/new"),
        ("file", "/d/s", "/d/f"),
        ("file", "/vol", "/vol/file"),
        ("tree", "/d", "/d/tree/sub/b"),
        ("tree/", "/d", "/d/tree/sub/b"),
        ("tree/.", "/d", "/d/sub/b"),
        ("tree", "/d/new", "/d/new/sub/b"),
        ("tree/.", "/d/new/", "/d/new/sub/b"),
    ],
)
def test_into_a_container(there: Engine, here: Path, source: str, target: str, made: str) -> None:
    done = there.run("cp", f"{here}/{source}", f"c:{target}")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert text(there, made) == ("B" if source.startswith("tree") else "content")


OUT = [
    ("/d/f", "", "f"),
    ("/d/f", "new", "new"),
    ("/d/f", "file", "file"),
    ("/l/f", "tree/", "tree/f"),
    ("/d", "", "d/f"),
    ("/d", "new", "new/f"),
    ("/d/.", "tree", "tree/f"),
    ("/l/", "new", "new/f"),
    ("/", "new", "new/d/f"),
]


def test_out_of_a_container(there: Engine, here: Path) -> None:
    for source, target, made in OUT:
        furnish(here, there)
        done = there.run("cp", f"c:{source}", f"{here}/{target}")
        assert (done.code, done.out, done.err) == (0, "", ""), (source, target)
        found = (here / made).stat()
        assert (here / made).read_text() == "old"
        owner = here.stat().st_uid
        assert (found.st_uid, found.st_gid) == (owner, owner)
        assert found.st_mode & 0o7777 == 0o750  # not setuid for whoever copied it


REFUSED = [
    ("HERE/nosuch", "c:/d", "no such file"),
    ("HERE/file", "c:/nosuch/x", "no such directory"),
    ("HERE/file", "c:/d/nosuch/", "no such directory"),
    ("HERE/file", "c:/d/f/", "not a directory"),
    ("HERE/file/", "c:/d", "not a directory"),
    ("HERE/tree", "c:/d/f", "cannot replace a file"),
    ("HERE/file", "nosuch:/d", "no such container"),
    ("HERE/file", "HERE/new", "one of them must be in a container"),
    ("c:/nosuch", "HERE", "no such file"),
    ("c:/d/f/", "HERE", "not a directory"),
    ("c:/d", "HERE/file", "cannot replace a file"),
    ("c:/d/f", "HERE/nosuch/x", "no such directory"),
    ("-", "c:/d/f", "must be a directory"),
    (":/x", "HERE", "no container named"),
]


def test_refused(there: Engine, here: Path) -> None:
    for source, target, words in REFUSED:
        ends = (text.replace("HERE", str(here)) for text in (source, target))
        assert words in there.fails("cp", *ends), (source, target)


def test_files_and_directories_do_not_replace_each_other(there: Engine, here: Path) -> None:
    (here / "f").mkdir()
    (here / "sub").write_text("x")
    assert "--overwrite" in there.fails("cp", here / "f", "c:/d")
    assert "--overwrite" in there.fails("cp", here / "sub", "c:/d")
    there.ok("cp", "--overwrite", here / "f", "c:/d")
    there.ok("cp", "--overwrite", here / "sub", "c:/d")
    found = seen(there, "/d")
    assert found["d/f"].isdir() and found["d/sub"].isfile() and "d/sub/g" not in found


# ---- what is kept ----


def test_owner_mode_and_time(there: Engine, here: Path) -> None:
    os.utime(here / "tree/a", (1e9, 1e9))
    there.ok("cp", here / "tree", "c:/root/")
    found = seen(there, "/root/tree")
    assert {(m.uid, m.gid) for m in found.values()} == {(0, 0)}
    assert found["tree/a"].mode == 0o640 and found["tree/a"].mtime == 10**9
    assert found["tree/link"].issym() and found["tree/link"].linkname == "a"
    there.ok("cp", "-a", here / "tree", "c:/tmp/")
    owner = here.stat().st_uid if not there.user else 0
    assert seen(there, "/tmp/tree")["tree/a"].uid in (owner, here.stat().st_uid)


def test_archive_mode_keeps_owners_for_root(root: Engine, base: Path) -> None:
    root.ok("create", "--network", "none", "--name", "c", "busybox")
    made = base / "owned"
    made.write_text("x")
    os.chown(made, 4321, 1234)
    root.ok("cp", "-a", made, "c:/etc/")
    root.ok("cp", "-a", "c:/etc/owned", base / "back")
    found = (base / "back").stat()
    assert (found.st_uid, found.st_gid) == (4321, 1234)
    root.ok("cp", "c:/etc/owned", base / "mine")
    assert (base / "mine").stat().st_uid == 0


def test_links_are_copied_or_followed(there: Engine, here: Path) -> None:
    there.ok("cp", "c:/l", here / "link")
    assert os.readlink(here / "link") == "/d"
    there.ok("cp", "-L", "c:/l", here / "followed")
    assert (here / "followed/sub/g").read_text() == "deep"
    (here / "mine").symlink_to("file")
    there.ok("cp", here / "mine", "c:/d/kept")
    there.ok("cp", "-L", here / "mine", "c:/d/followed")
    found = seen(there, "/d")
    assert found["d/kept"].issym() and found["d/followed"].isfile()


def test_hard_links_long_names_and_holes(there: Engine, here: Path) -> None:
    long = "n" * 200
    (here / "tree" / long).write_text("long")
    os.link(here / "tree/a", here / "tree/hard")
    (here / "tree/ünï").write_text("u")
    os.mkfifo(here / "tree/pipe")
    there.ok("cp", here / "tree", "c:/tmp/t")
    found = seen(there, "/tmp/t")
    assert f"t/{long}" in found and "t/ünï" in found and found["t/pipe"].isfifo()
    assert found["t/hard"].islnk() and found["t/hard"].linkname == "t/a"
    there.ok("cp", "c:/tmp/t", here / "back")
    assert (here / "back/hard").stat().st_ino == (here / "back/a").stat().st_ino
    assert (here / "back" / long).read_text() == "long"


# ---- streams ----


def test_archives_through_pipes(there: Engine, here: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.add(here / "tree", "tree")
        archive.add(here / "file", "l/through-a-link")
    there.ok("cp", "-", "c:/", input=out.getvalue())
    assert text(there, "/tree/sub/b") == "B"
    assert text(there, "/d/through-a-link") == "content"
    assert sorted(seen(there, "/tree")) == ["tree", "tree/a", "tree/link", "tree/sub", "tree/sub/b"]
    assert sorted(seen(there, "/tree/.")) == [".", "./a", "./link", "./sub", "./sub/b"]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/../x"])
def test_archives_that_lead_out(there: Engine, name: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    assert "leads out" in there.fails("cp", "-", "c:/d", input=out.getvalue())


def test_a_broken_archive(there: Engine) -> None:
    assert "archive" in there.fails("cp", "-", "c:/d", input=b"no tar" * 1000)


def test_what_was_copied_is_told_on_a_terminal(there: Engine, here: Path) -> None:
    terminal = there.pty("cp", here / "file", "c:/d/x")
    assert b"Successfully copied 2.05kB to c:/d/x" in terminal.until(b"\n")
    assert terminal.wait() == 0
    terminal = there.pty("cp", "-q", here / "file", "c:/d/x")
    assert terminal.wait() == 0 and not terminal.seen


def test_from_container_to_container(there: Engine) -> None:
    there.ok("create", "--network", "none", "--name", "e", "busybox")
    there.ok("cp", "c:/d", "e:/tmp")
    assert {"d/f", "d/sub/g"} <= set(seen(there, "/tmp/d", "e"))


def test_within_a_container(there: Engine) -> None:
    there.ok("cp", "c:/bin", "c:/copy")  # more than a pipe holds
    sizes = [seen(there, f"/{d}/busybox")["busybox"].size for d in ("bin", "copy")]
    assert sizes[0] == sizes[1] > 1 << 17
    there.ok("cp", "c:/d/f", "c:/d/sub")
    assert text(there, "/d/sub/f") == "old"


# ---- where ----


def test_volumes_of_a_container_that_never_ran(engine: Engine, here: Path) -> None:
    engine.ok("create", "--network", "none", "--name", "c", "-v", "v:/data/deep", "busybox")
    engine.ok("cp", here / "file", "c:/data/deep")
    assert (engine.root / "volumes/v/_data/file").read_text() == "content"
    assert engine.ok("diff", "c") == ""


def test_overlay_volumes_keep_their_source(engine: Engine, here: Path) -> None:
    engine.ok("create", "--network", "none", "--name", "c", "-v", f"{here}:/m:O", "busybox")
    assert "read-only" in engine.fails("cp", here / "file", "c:/m/new")
    assert not (here / "new").exists()


def test_volumes_and_tmpfs(engine: Engine, here: Path) -> None:
    engine.detached("--name", "c", "-v", "v:/vol", "--tmpfs", "/mem", "-v", f"{here}:/ro:ro",
                    "busybox", "sleep", "1000")  # fmt: skip
    engine.ok("cp", here / "file", "c:/vol/x")
    engine.ok("cp", here / "file", "c:/mem/x")
    assert engine.ok("exec", "c", "cat", "/vol/x", "/mem/x") == "contentcontent"
    assert "read-only" in engine.fails("cp", here / "file", "c:/ro/x")
    assert text(engine, "/ro/tree/a") == "A"
    engine.ok("kill", "c")
    engine.ok("cp", here / "file", "c:/vol/y")
    assert "read-only" in engine.fails("cp", here / "file", "c:/ro/x")
    assert text(engine, "/vol/y") == "content"
    assert (engine.root / "volumes/v/_data/y").read_text() == "content"


def test_read_only_containers(engine: Engine, here: Path) -> None:
    engine.detached("--read-only", "--name", "c", "-v", "/vol", "busybox", "sleep", "1000")
    for state in ("running", "exited"):
        assert engine.state("c")["Status"] == state
        message = engine.fails("cp", here / "file", "c:/etc/x")
        assert "read-only" in message and "c:/etc/x" in message
        engine.ok("cp", here / "file", "c:/vol/x")
        if state == "running":
            engine.ok("kill", "c")


def test_a_stopped_container_starts_with_what_was_copied(engine: Engine, here: Path) -> None:
    engine.ok("create", "--network", "none", "--name", "c", "busybox", "cat", "/etc/motd")
    engine.ok("cp", here / "file", "c:/etc/motd")
    assert engine.ok("start", "-a", "c") == "content"
    assert engine.ok("diff", "c").splitlines() == ["C /etc", "A /etc/motd"]


def test_a_mounted_file_is_written_in_place(root: Engine, base: Path) -> None:
    root.detached("--name", "c", "busybox", "sleep", "1000")
    (base / "hosts").write_text("1.2.3.4 x\n")
    root.ok("cp", base / "hosts", "c:/etc/hosts")
    assert root.ok("exec", "c", "cat", "/etc/hosts") == "1.2.3.4 x"


# ---- hostile containers ----


def digest(canary: Path) -> str:
    """Names, modes, times and contents of everything below."""
    found = []
    for directory, _, files in os.walk(canary):
        for path in [Path(directory), *(Path(directory) / f for f in files)]:
            s = path.lstat()
            found.append(f"{path} {s.st_mode} {s.st_mtime_ns} {s.st_uid}")
            if path.is_file():
                found.append(path.read_text())
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()


def test_links_that_are_swapped_never_lead_out(root: Engine, base: Path) -> None:
    canary = base / "canary"
    canary.mkdir()
    (canary / "secret").write_text("canary")
    (canary / "dir").mkdir()
    before = digest(canary)
    script = (
        f"mkdir /d /e; echo fine > /d/secret; ln -s {canary} /l; ln -s ../../../..{canary} /m;"
        "echo up; while :; do mv /d /x; mv /l /d; mv /d /l; mv /m /d; mv /d /m; mv /x /d; done"
    )
    root.detached("--name", "c", "busybox", "sh", "-c", script)
    root.logs_until("c", "up")
    source = base / "evil"
    source.write_text("evil")
    out = base / "out"
    copied = [0, 0]
    enough, deadline = time.monotonic() + 8, time.monotonic() + 60
    for n in itertools.count():
        now = time.monotonic()
        if now > deadline or (now > enough and all(copied)):
            break
        done = root.run("cp", "c:/d/secret", out)
        if done.code == 0:
            assert out.read_text() != "canary"
            out.unlink()
        into = root.run("cp", source, f"c:/d/secret{n % 3}")
        copied[0] += done.code == 0
        copied[1] += into.code == 0
        root.run("cp", "c:/d", base / f"tree{n}")
        assert os.path.islink(base / f"tree{n}") or not (base / f"tree{n}/dir").exists()
    assert digest(canary) == before and all(copied)


def test_a_hostile_name_is_only_a_name(root: Engine, base: Path) -> None:
    made = base / "names"
    made.mkdir()
    script = "mkdir /d; cd /d; touch -- '-rf' '*' '$(reboot)' \"$(printf 'a\\nb')\"; ln -s / root"
    root.detached("--name", "c", "busybox", "sh", "-c", script)
    root.ok("wait", "c")
    root.ok("cp", "c:/d/.", made)
    assert sorted(p.name for p in made.iterdir()) == ["$(reboot)", "*", "-rf", "a\nb", "root"]
    assert "//" not in os.readlink(made / "root")
