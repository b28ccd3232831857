"""The same image again, on another day, as another user; and what others make of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from building import build, built, context, image_id, said, unpacked
from engine import Engine, wait_for

REPRODUCED = (
    "FROM busybox\nRUN mkdir -p /a/b && echo x > /a/b/c && ln -s c /a/b/d\nCOPY d /d\nWORKDIR /w\n"
)


@pytest.mark.parametrize("how", ["--timestamp", "--source-date-epoch", "variable"])
def test_the_same_image_twice(root: Engine, user: Engine, how: str) -> None:
    """Also as another user, and from another copy of the context at another time."""
    ids = set()
    for turn, engine in enumerate((root, user, root)):
        where = context(engine, {"Dockerfile": REPRODUCED, "d/a": "a", "d/deep/b": "b"})
        env = {"SOURCE_DATE_EPOCH": "1000000000"} if how == "variable" else {}
        options = [] if how == "variable" else [how, "1000000000"]
        done = build(engine, where, "--no-cache", "-t", "twice", *options, env=env)
        assert done.code == 0
        ids.add(image_id(engine, "twice"))
        assert (
            said(engine, "twice", "stat", "-c", "%Y", "/a/b/c", "/d/a").split()[0] == "1000000000"
        )
        if turn == 0:
            time.sleep(1.1)
    assert len(ids) == 1
    assert root.inspect("twice")["Created"].startswith("2001-09-09T01:46:40")


def _checked(engine: Engine, name: str) -> str:
    """Of files their name, kind, mode, owner, size, time and content."""
    script = (
        "ls /etc /bin; find /r /c /w /home /tmp | sort | while read f; do "
        "stat -c '%n %F %a %u:%g %h %Y' $f; [ ! -f $f ] || md5sum $f; done"
    )
    return said(engine, name, "sh", "-c", script)


PUSHED = """FROM busybox
RUN mkdir /r && echo r > /r/f && chmod 4711 /r/f && ln /r/f /r/hard && ln -s f /r/soft
RUN mkfifo /r/p
RUN rm -r /home && mkdir /home && echo new > /home/n && rm /etc/group
COPY --chown=12:34 --chmod=640 f /c/f
WORKDIR /w
"""


def test_pushed_and_pulled(engine: Engine) -> None:
    where = context(engine, {"Dockerfile": PUSHED, "f": "content"})
    name = f"{engine.registry}/built/{'user' if engine.rootless else 'root'}:1"
    assert build(engine, where, "-t", name).code == 0
    before, first = _checked(engine, name), image_id(engine, name)
    engine.ok("push", "-q", "--tls-verify=false", name)
    copied = where.parent / "copied.tar"
    copied.unlink(missing_ok=True)
    subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}",
                    f"docker-archive:{copied}"], check=True)  # fmt: skip
    files = unpacked(copied)
    assert files["c/f"] == b"content" and files["r/f"] == b"r\n" and files["home/n"] == b"new\n"
    assert "etc/.wh.group" in files
    engine.ok("rmi", "-f", name)
    engine.ok("builder", "prune", "-f")
    engine.ok("pull", "-q", "--tls-verify=false", name)
    assert image_id(engine, name) == first and _checked(engine, name) == before


def test_podman_loads_what_was_built(root: Engine) -> None:
    where = context(root, {"Dockerfile": PUSHED + 'ENV A=b\nCMD ["cat", "/c/f"]\n', "f": "content"})
    for form in ("oci", "docker"):
        assert build(root, where, "-t", "for-podman", "--format", form).code == 0
        archive, store = where.parent / "saved.tar", root.home / "podman"
        archive.unlink(missing_ok=True)
        root.ok("save", "-q", "-o", archive, "--format", f"{form}-archive", "for-podman")
        podman = ["podman", "--root", store, "--runroot", store / "run", "--storage-driver", "vfs"]
        subprocess.run([*podman, "load", "-q", "-i", archive], check=True, capture_output=True)
        shown = subprocess.run([*podman, "inspect", "for-podman"], check=True, capture_output=True)
        found = json.loads(shown.stdout)[0]
        assert found["Id"] == image_id(root, "for-podman")
        assert "A=b" in found["Config"]["Env"] and found["Config"]["WorkingDir"] == "/w"
        mounted = [*podman, "image", "mount", "for-podman"]
        top = Path(
            subprocess.run(mounted, check=True, capture_output=True, text=True).stdout.strip()
        )
        assert (top / "c/f").read_text() == "content" and (top / "c/f").stat().st_uid == 12
        assert not (top / "etc/group").exists() and (top / "r/f").stat().st_nlink == 2
        subprocess.run([*podman, "rmi", "-f", "-a"], check=True, capture_output=True)
        shutil.rmtree(store, ignore_errors=True)


def test_other_verbs_on_what_was_built(engine: Engine) -> None:
    """Without its base it runs, is saved, committed, compared and told of."""
    engine.ok("tag", "busybox", "own-base")
    where = context(
        engine, {"Dockerfile": "FROM own-base\nRUN echo 1 > /one\nENV A=1\nCMD cat /one\n"}
    )
    assert build(engine, where, "-t", "verbs").code == 0
    engine.ok("rmi", "own-base")
    assert said(engine, "verbs") == "1"
    assert unpacked_save(engine, where)["one"] == b"1\n"
    engine.ok(
        "run", "--network", "none", "--name", "c", "verbs", "sh", "-c", "echo 2 > /two; rm /one"
    )
    assert set(engine.ok("diff", "c").splitlines()) == {"A /two", "D /one"}
    engine.ok("commit", "c", "committed")
    assert said(engine, "committed", "cat", "/two") == "2"
    rows = engine.ok("history", "--no-trunc", "--format", "{{.CreatedBy}}", "verbs").splitlines()
    assert rows[0].endswith("CMD cat /one") and rows[1].endswith("ENV A=1")
    assert "echo 1 > /one" in rows[2]
    found = engine.inspect("verbs")
    assert (
        found["Config"]["Cmd"] == ["/bin/sh", "-c", "cat /one"]
        and len(found["RootFS"]["Layers"]) == 2
    )
    engine.ok("rm", "c")
    text = "FROM committed\nRUN test -f /two && echo 3 > /three\n"
    built(engine, text, "-t", "on-top")
    assert said(engine, "on-top", "cat", "/two", "/three") == "2\n3"


def unpacked_save(engine: Engine, where: Path) -> dict[str, bytes]:
    archive = where / "saved.tar"
    archive.unlink(missing_ok=True)
    engine.ok("save", "-q", "-o", archive, "verbs")
    return unpacked(archive)


# ---- several platforms, and names that an output gives ----


def test_several_platforms_are_a_list(root: Engine) -> None:
    text = "FROM scratch\nARG TARGETARCH\nCOPY f /$TARGETARCH\n"
    where = context(root, {"Dockerfile": text, "f": "x"})
    platforms = ("--platform", "linux/amd64,linux/arm64")
    done = build(root, where, *platforms, "-t", "several", "--iidfile", where / "id")
    assert done.code == 0 and done.out.endswith("Successfully tagged several:latest\n"), done
    index = json.loads(root.ok("manifest", "inspect", "several"))
    found = {entry["platform"]["architecture"] for entry in index["manifests"]}
    assert found == {"amd64", "arm64"}
    quiet = build(root, where, *platforms, "-t", "several", "-q")
    assert quiet.out.strip() == (where / "id").read_text()
    assert build(root, where, *platforms, "-o", where / "out").code == 0
    names = sorted(str(p.relative_to(where / "out")) for p in (where / "out").rglob("*64"))
    assert names == ["linux_amd64", "linux_amd64/amd64", "linux_arm64", "linux_arm64/arm64"]
    root.ok("manifest", "rm", "several")


def test_an_output_names_the_image(root: Engine) -> None:
    where = context(root, {"Dockerfile": "FROM busybox\nENV A=1\n"})
    assert build(root, where, "-o", "type=image,name=named-by-output:1").code == 0
    assert "A=1" in root.inspect("named-by-output:1")["Config"]["Env"]
    name = f"{root.registry}/built/by-output:1"
    pushed = build(root, where, "-o", f"type=image,name={name},push=true", "--tls-verify=false")
    assert pushed.code == 0, pushed
    root.ok("rmi", name)
    root.ok("pull", "-q", "--tls-verify=false", name)
    nameless = build(root, where, "--push")
    assert nameless.code == 125 and "-t REGISTRY/NAME" in nameless.err


@pytest.mark.parametrize("kind", ["directory", "registry"])
def test_steps_of_another_machine(
    root: Engine, fresh: Callable[[str], Engine], kind: str, tmp_path: Path
) -> None:
    text = "FROM busybox\nENV A=1\nRUN date +%N > /a\nCOPY f /f\nRUN date +%N > /b\n"
    where = context(root, {"Dockerfile": text, "f": "x"})
    place = f"type=local,dest={tmp_path}" if kind == "directory" else f"{root.registry}/steps"
    more = ("--tls-verify=false", "-t", "carried")
    assert build(root, where, "--cache-to", place, *more).code == 0
    first = said(root, "carried", "cat", "/a", "/b")
    other = fresh("root")
    other.ok("pull", "-q", "busybox")
    done = build(other, where, "--cache-from", place, *more)
    assert done.code == 0 and done.out.count("Using cache") == 3, done
    assert said(other, "carried", "cat", "/a", "/b") == first
    assert other.ok("images", "--format", "{{.Repository}}").split() == ["carried", "busybox"]


def test_a_directory_of_steps_grows(root: Engine, tmp_path: Path) -> None:
    """As a CI system's cache: what is there is not written again, and what it lacks is no fault."""
    place = tmp_path / "cache"
    given = (f"--cache-from=type=local,src={place}", f"--cache-to=type=local,dest={place}")
    times: dict[str, int] = {}
    for step in ("a", "b"):
        where = context(root, {"Dockerfile": f"FROM busybox\nRUN date >/x\nRUN echo {step} >/y\n"})
        done = build(root, where, "-t", "grown", *(given if times else given[1:]))
        assert done.code == 0 and "arning" not in done.out + done.err, done
        now = {p.name: p.stat().st_mtime_ns for p in (place / "blobs/sha256").iterdir()}
        sizes = {p.name: p.stat().st_size for p in (place / "blobs/sha256").iterdir()}
        assert all(now[name] == time for name, time in times.items() if sizes[name] > 100_000)
        assert len(now) > len(times)
        times = now
    nowhere = ("--cache-from", f"type=local,src={place}/nosuch")
    done = build(root, where, "--no-cache", *nowhere)
    assert done.code == 0 and f"there is no directory {place}/nosuch" not in done.out + done.err
    root.ok("builder", "prune", "-a", "-f")
    done = build(root, where, "-t", "grown", *nowhere)
    assert done.code == 0 and f"there is no directory {place}/nosuch" in done.out + done.err
    root.ok("rmi", "grown")


@pytest.mark.parametrize("killed", [False, True])
def test_images_in_a_directory_that_grows(
    root: Engine, fresh: Callable[[str], Engine], tmp_path: Path, killed: bool
) -> None:
    """Layers by their digests: the second save writes those alone that are new, and one that was
    killed leaves a directory from which the first loads."""
    place = tmp_path / "images"
    build(root, context(root, {"Dockerfile": "FROM busybox\nRUN echo a >/a\n"}), "-t", "one")
    text = "FROM one\nRUN dd if=/dev/urandom of=/b bs=1M count=30 2>/dev/null\n"
    build(root, context(root, {"Dockerfile": text}), "-t", "two")
    save = ("save", "-q", "--format", "oci-dir", "-o", place)
    root.ok(*save, "one")
    before = {p: p.stat().st_mtime_ns for p in (place / "blobs/sha256").iterdir()}
    if killed:
        process = root.popen(*save, "two")
        wait_for(lambda: len(list((place / "blobs/sha256").iterdir())) > len(before))
        process.kill()
        process.wait()
    else:
        root.ok(*save, "two")
    assert all(p.stat().st_mtime_ns == t for p, t in before.items() if p.stat().st_size > 2000)
    other = fresh("root")
    other.ok("load", "-q", "-i", place)
    found = {"one:latest"} if killed else {"one:latest", "two:latest"}
    assert found <= set(other.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split())
    root.ok(*save, "two")
    other.ok("load", "-q", "-i", place)
    assert other.ok("run", "--rm", "--network", "none", "two", "cat", "/a") == "a"
    root.ok("rmi", "one", "two")
