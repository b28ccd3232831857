"""A store in a container's root file system, where the kernel makes no overlay: containers get
copies of their images' files, and all goes on as elsewhere."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine import Engine
from images import busybox_tar, image
from oci_images import directory, entry, hardlink, tar
from overlay_store import on_overlay

NONE = ("--network", "none")
LAYERS = (
    busybox_tar(),
    tar(
        directory("d"), entry("d/hidden", b"1"),
        entry("d/kept", b"kept", uid=5, gid=6, mode=0o4755),
        directory("e"), entry("e/below", b"2"), entry("gone", b"3"), hardlink("second", "d/kept"),
    ),
    tar(entry("d/.wh.hidden"), entry(".wh.gone"), directory("e"), entry("e/.wh..wh..opq"),
        entry("e/above", b"4"), entry("new", b"5")),
)  # fmt: skip
SHOWN = "ls -R d e; cat d/kept; stat -c '%u %g %a %h' d/kept second; ls gone new"


@pytest.fixture(scope="module")
def layout(base: Path) -> Path:
    """An image with whiteouts, as an OCI layout."""
    where = base / "overlay-layout"
    image(*LAYERS).write_layout(where)
    for path in (where, *where.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return where


@pytest.fixture
def there(
    fresh: Callable[[str], Engine], request: pytest.FixtureRequest, engine: Engine, layout: Path
) -> Iterator[Engine]:
    with on_overlay(fresh("user" if engine.rootless else "root")) as made:
        made.ok("load", "-q", "-i", layout)
        made.ok("tag", made.ok("images", "-q"), "app")
        yield made


def test_a_life(there: Engine, engine: Engine) -> None:
    done = there.run("run", "--name", "c", *NONE, "app", "sh", "-c", SHOWN)
    assert done.out.split("\n") == [
        "d:", "kept", "", "e:", "above", "kept5 6 4755 2", "5 6 4755 2", "new", "",
    ], done  # fmt: skip
    assert "each container gets a copy of its image's files" in done.err
    assert "ls: gone: No such file" in done.err
    again = there.run(
        "run", "--rm", *NONE, "app", "sh", "-c", "echo x >/d/kept; rm -r /e; cat /d/*"
    )
    assert (again.out, again.err) == ("x\n", "")  # told once
    changed = "cat /count; echo 1 >>/count; rm -r /d /usr; echo changed >/new; mkdir /made"
    there.ok("create", "--name", "w", *NONE, "app", "sh", "-c", changed)
    for _ in range(2):
        there.run("start", "-a", "w")
    assert there.run("logs", "w").out == "1\n"
    wanted = ["A /count", "D /d", "D /usr", "C /new", "A /made"]
    assert sorted(there.ok("diff", "w").splitlines()) == sorted(wanted)
    assert there.ok("diff", "c") == ""
    assert there.inspect("w")["GraphDriver"]["Name"] == "vfs"
    assert there.ok("info", "--format", "{{.Driver}}") == "vfs"
    archive = there.run("cp", "w:/new", "-")
    with tarfile.open(fileobj=io.BytesIO(archive.out.encode())) as found:
        member = found.extractfile("new")
        assert member and member.read() == b"changed\n"
    there.ok("rm", "c", "w")


def test_commit_and_save(there: Engine, engine: Engine, tmp_path: Path) -> None:
    """What is made of a copy's changes is, elsewhere, an image like others."""
    change = "rm -r /d/kept /e/above; echo y >/new; ln -s new /link; chmod 700 /e"
    there.ok("run", "--name", "c", *NONE, "app", "sh", "-c", change)
    there.ok("commit", "-q", "c", "made")
    shown = "ls / /d; cat /new /link; stat -c %a /e; ls -A /e"
    mine = there.ok("run", "--rm", *NONE, "made", "sh", "-c", shown)
    saved = engine.home / "made.tar"
    there.ok("save", "-q", "-o", saved, "made")
    engine.ok("load", "-q", "-i", saved)
    saved.unlink()
    assert engine.ok("run", "--rm", *NONE, "made", "sh", "-c", shown) == mine
    assert "kept" not in mine and "y\ny" in mine and "700" in mine
    layers = json.loads(there.ok("image", "inspect", "made"))[0]["RootFS"]["Layers"]
    assert len(layers) == len(LAYERS) + 1


def test_build(there: Engine, engine: Engine) -> None:
    """Steps that copy, run, remove and look at other stages, and the cache."""
    dockerfile = (
        "FROM app AS one\nRUN rm -r /d /new && echo a >/e/a && echo b >/b\n"
        "FROM app\nCOPY --from=one /e /f\nCOPY --from=one /b /d/b\nRUN rm /d/kept\n"
        "RUN --mount=from=one,target=/m cat /m/b >/c\n"
    )
    for _ in range(2):
        built = there.run("build", "-q", "--network", "none", "-t", "t", "-", input=dockerfile)
        assert built.code == 0, built
    shown = "ls /d /f; cat /c /f/a /f/above; ls -d /m /new"
    done = there.run("run", "--rm", *NONE, "t", "sh", "-c", shown)
    assert done.out == "/d:\nb\n\n/f:\na\nabove\nb\na\n4/new\n", done
    saved = engine.home / "t.tar"
    there.ok("save", "-q", "-o", saved, "t")
    engine.ok("load", "-q", "-i", saved)
    saved.unlink()
    assert engine.run("run", "--rm", *NONE, "t", "sh", "-c", shown).out == done.out


def test_volumes_users_and_images(there: Engine) -> None:
    seeded = there.ok("run", "--rm", *NONE, "-v", "v:/d", "app", "sh", "-c", "ls /d; echo z >/d/z")
    assert seeded == "kept"
    assert there.ok("run", "--rm", *NONE, "-v", "v:/x", "app", "ls", "/x") == "kept\nz"
    ids = ("--uidmap", "0:1:100", "--gidmap", "0:1:100")
    shown = "stat -c '%u %g %a' /d/kept; echo m >/d/kept; cat /d/kept"
    owned = there.ok("run", "--rm", *NONE, *ids, "app", "sh", "-c", shown)
    assert owned == "5 6 4755\nm"
    shown = there.ok("run", "--rm", *NONE, "--mount", "type=image,source=app,target=/i", "app",
                     "sh", "-c", "ls /i/d; touch /i/x 2>&1 || true")  # fmt: skip
    assert shown.startswith("kept\n") and "Read-only file system" in shown
    assert there.ok("run", "--rm", *NONE, "--read-only", "app", "sh", "-c",
                    "touch /x 2>/dev/null || echo no") == "no"  # fmt: skip
    assert "holds no overlay" in there.fails(
        "run", *NONE, "-v", f"{there.home}:/m:O", "app", "true"
    )
    told = there.run("doctor").out
    assert "each container copies its image's files" in told


def test_what_is_mounted(root: Engine, fresh: Callable[[str], Engine], layout: Path) -> None:
    """`mount`, `image mount`: the tree itself, which is on the same file system."""
    with on_overlay(fresh("root")) as there:
        there.ok("load", "-q", "-i", layout)
        there.ok("tag", there.ok("images", "-q"), "app")
        there.ok("create", "--name", "c", *NONE, "app", "true")
        where = Path(there.ok("mount", "c"))
        (where / "new").write_text("written")
        assert str(where) in there.ok("mount")
        assert there.ok("cp", "c:/new", "-").count("written") == 1
        there.ok("unmount", "c")
        assert not where.exists()
        shown = Path(there.ok("image", "mount", "app"))
        assert (shown / "d/kept").read_text() == "kept" and not (shown / "gone").exists()
        with pytest.raises(OSError, match="Read-only"):
            (shown / "d/kept").write_text("x")
        there.ok("image", "unmount", "app")
        assert not shown.exists()
        there.ok("mount", "c")
        there.ok("rm", "c")
        there.ok("rmi", "-f", "-a")


def test_deep_trees(there: Engine) -> None:
    """As deep as an archive may be: they are copied, compared and packed."""
    deep = "/".join(["d"] * 240)
    script = f"mkdir -p /{deep} && echo x >/{deep}/f"
    there.ok("run", "--name", "c", *NONE, "app", "sh", "-c", script)
    assert len(there.ok("diff", "c").splitlines()) == 241
    there.ok("commit", "-q", "c", "deep")
    assert there.ok("run", "--rm", *NONE, "deep", "cat", f"/{deep}/f") == "x"
    there.ok("rm", "c")


def test_changes_while_they_are_read(there: Engine, tmp_path: Path) -> None:
    """A container swaps directories, links and files while its tree is walked: what is listed and
    archived is its own, and nothing outside is read, linked or changed."""
    canary = tmp_path / "canary"
    (canary / "d").mkdir(parents=True)
    (canary / "d/secret").write_text("secret")
    tmp_path.chmod(0o755)
    before = sorted((str(p), p.lstat().st_mtime_ns, p.lstat().st_nlink) for p in canary.rglob("*"))
    eight = "for i in 1 2 3 4 5 6 7 8; do"
    swap = (
        f"mkdir /r; {eight} mkdir -p /r/x$i/d; echo o >/r/x$i/d/o; done; echo on; "
        f"while :; do {eight} mv /r/x$i /r/y$i; ln -s {canary} /r/x$i; rm /r/x$i; "
        "mv /r/y$i /r/x$i; "
        "rm -rf /r/t; mkdir -p /r/t/d; echo t >/r/t/d/f; done; done"
    )
    there.ok("run", "-d", "--name", "c", *NONE, "app", "sh", "-c", swap)
    there.logs_until("c", "on")
    ends = 0
    for _ in range(12):
        done = there.run("diff", "c")
        assert "secret" not in done.out and "Traceback" not in done.err
        ends += done.code == 0
        done = there.run("commit", "-q", "--pause=false", "c", "raced")
        assert "Traceback" not in done.err
        ends += done.code == 0
    assert ends == 24, "what is removed meanwhile is passed over"
    there.ok("kill", "c")
    assert "secret" not in there.ok("run", "--rm", *NONE, "raced", "ls", "-R", "/r")
    after = sorted((str(p), p.lstat().st_mtime_ns, p.lstat().st_nlink) for p in canary.rglob("*"))
    assert after == before
    assert not list((there.root / "containers").glob("*/changes-*"))
    there.ok("rm", "-f", "c")


def test_system_check(there: Engine) -> None:
    there.ok("run", "--name", "c", *NONE, "app", "true")
    assert there.run("system", "check").code == 0
    there.ok("rm", "c")
    there.ok("rmi", "-f", "-a")
    assert not list((there.root / "layers").glob("[0-9a-f]*"))
