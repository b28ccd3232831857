"""Volumes that containers have written: links in them lead neither the engine nor another
container's mounts, secrets and files out (CVE-2021-30465, CVE-2023-0778, CVE-2025-9566).

A canary directory of the host is what the links name; the engine's user could write to it.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine
from oci_images import snapshot

NONE = ("--network", "none")
SWAPPER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Exchange DIRECTORY with each LINK in turn, for ever; each is where it was every other time. */
int main(int argc, char **argv)
{
	puts("up");
	fflush(stdout);
	for (long n = 0;; n++, usleep(200))
		if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2 + n / 2 % (argc - 2)], RENAME_EXCHANGE))
			return 1;
}
"""


@pytest.fixture(scope="module")
def swapper(base: Path) -> Path:
    source, program = base / "vol-swapper.c", base / "vol-swapper"
    source.write_text(SWAPPER)
    subprocess.run(["gcc", "-static", "-O1", "-w", "-o", program, source], check=True)
    return program


@pytest.fixture
def canary(engine: Engine) -> Iterator[Path]:
    path = engine.home / "host-canary"
    (path / "sub").mkdir(parents=True)
    for name in ("passwd", "group", "hosts", "resolv.conf", "hostname", "file", "sub/file"):
        (path / name).write_text("untouched")
    subprocess.run(["chown", "-R", f"{engine.user or 'root'}:", path], check=True)
    before = snapshot(path)
    yield path
    assert snapshot(path) == before


def seeded(engine: Engine, canary: Path) -> None:
    """The volume `evil`, full of links to the canary."""
    up = "../" * 16 + str(canary)[1:]
    script = f"""cd /v; ln -s {canary} abs; ln -s {up} rel; ln -s /proc/self/root{canary} proc
        ln -s /proc/1/root{canary} one; ln -s / slash; mkdir d; ln -s {canary} d/l
        for f in passwd group hosts resolv.conf hostname; do ln -s {canary}/$f $f; done
        ln -s {canary}/new dangling; ln {canary}/file hard 2>/dev/null; echo own > file"""
    engine.ok("run", "--rm", *NONE, "-v", "evil:/v", "busybox", "sh", "-c", script)


LINKS = ("rel", "one", "slash{canary}", "dangling")


def test_mounts_and_directories_on_links(engine: Engine, canary: Path) -> None:
    """What is mounted, made or written below a link is the container's, or refused."""
    seeded(engine, canary)
    engine.ok("secret", "create", "s", "-", input="secret")
    for link in LINKS:
        place = f"/v/{link.format(canary=canary)}"
        for options in (
            ("-v", f"other:{place}/made/deep"), ("--tmpfs", f"{place}/sub"),
            ("--secret", f"s,target={place}/file"), ("-w", f"{place}/made"),
            ("--mount", f"type=bind,src=/etc/hostname,dst={place}/file"),
        ):  # fmt: skip
            script = f"echo owned > {place}/owned; ls {place}; cat {place}/file"
            done = engine.run("run", "--rm", *NONE, "-v", "evil:/v", *options, "busybox", "sh",
                              "-c", script)  # fmt: skip
            assert done.code in (0, 1, 2, 125, 126, 127) and "Traceback" not in done.err, done
            assert "untouched" not in done.out, (options, done)


def test_its_own_files_on_a_volume(engine: Engine, canary: Path) -> None:
    """hosts, resolv.conf, passwd … where /etc is the volume, in which each is a link."""
    seeded(engine, canary)
    for options in ((), ("--network", "bridge"), ("-u", "4321:4322"), ("--read-only",)):
        options = options if "bridge" in options else (*NONE, *options)
        done = engine.run("run", "--rm", *options, "-v", "evil:/etc", "busybox", "cat",
                          "/etc/hosts", "/etc/passwd")  # fmt: skip
        assert "untouched" not in done.out and "Traceback" not in done.err, done
    engine.ok("create", "--name", "c", *NONE, "-v", "evil:/etc", "busybox", "sleep", "1000")
    source = engine.home / "evil-source"
    source.write_text("owned")
    source.chmod(0o644)
    for target in ("/etc/hosts", "/etc/abs/new", "/etc/dangling", "/etc/d/l/file"):
        done = engine.run("cp", source, f"c:{target}")
        assert "Traceback" not in done.err, done
    assert "untouched" not in engine.run("cp", "-L", "c:/etc/abs", "-").out


def test_export_import_and_a_second_run(engine: Engine, canary: Path) -> None:
    """Links go out and in as links; what an archive puts below one is refused or its own."""
    seeded(engine, canary)
    whole = engine.run("volume", "export", "evil", check=True).raw
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        assert archive.getmember("abs").linkname == str(canary)
    assert b"untouched" not in whole
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for link in ("abs", "rel", "proc", "one", "d/l", f"slash{canary}"):
            for name in ("file", "sub/new"):
                archive.addfile(tarfile.TarInfo(f"{link}/{name}"), io.BytesIO())
        for name in ("dangling", "passwd", "hard"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with tarfile.open(fileobj=io.BytesIO(made.getvalue())) as archive:
        members = archive.getmembers()
    for member in members:
        one = io.BytesIO()
        with tarfile.open(fileobj=one, mode="w") as archive:
            archive.addfile(member, io.BytesIO())
        done = engine.run("volume", "import", "evil", "-", input=one.getvalue())
        assert "Traceback" not in done.err, done
    engine.ok("volume", "create", "again")
    engine.ok("volume", "import", "again", "-", input=whole)
    for volume in ("evil", "again"):  # neither is filled a second time, from the image
        out = engine.ok("run", "--rm", *NONE, "-v", f"{volume}:/bin2", "-v", f"{volume}:/home",
                        "busybox", "ls", "/home")  # fmt: skip
        assert "tester" not in out


def test_names_that_are_exchanged_during_starts(
    engine: Engine, canary: Path, swapper: Path
) -> None:
    """A container exchanges a directory with links, while others are started that mount, make and
    write below it."""
    up = "../" * 16 + str(canary)[1:]
    script = f"""mkdir -p /v/d/sub; echo own > /v/d/file
        ln -s {canary} /v/abs; ln -s {up} /v/rel; ln -s /proc/1/root{canary} /v/proc
        ln -s / /v/slash
        exec /swapper /v/d /v/abs /v/rel /v/proc /v/slash"""
    engine.detached("--name", "swaps", "-v", "race:/v", "-v", f"{swapper}:/swapper:ro", "busybox",
                    "sh", "-c", script)  # fmt: skip
    engine.logs_until("swaps", "up")
    engine.ok("secret", "create", "s", "-", input="secret")
    engine.ok("volume", "create", "other")
    each = [
        ("-v", "other:/v/d/sub"), ("-v", "other:/v/d/made/deep"), ("--tmpfs", "/v/d/tmp"),
        ("--secret", "s,target=/v/d/file"), ("-w", "/v/d/work"),
    ]  # fmt: skip
    write = f"for p in /v/d /v/d/sub /v/d/made /v/d{canary}; do echo owned > $p/owned; done"
    enough, started = time.monotonic() + 1.5, 0
    for n in range(600):
        options = ("-v", "race:/v", *each[n % len(each)])
        done = engine.run("run", "--rm", *NONE, *options, "busybox", "sh", "-c",
                          f"({write}) 2>/dev/null; cat /v/d/file /v/d/passwd")  # fmt: skip
        assert "untouched" not in done.out and "Traceback" not in done.err, done
        started += done.code != 125
        engine.run("cp", "swaps:/v/d", "-")
        if time.monotonic() > enough and started:
            break
    assert started
    assert engine.state("swaps")["Status"] == "running", engine.run("logs", "swaps")


def test_masks_and_read_only_paths_that_are_exchanged(
    engine: Engine, canary: Path, swapper: Path
) -> None:
    """Masks of a user's own, on a volume that another container changes meanwhile."""
    script = f"""mkdir -p /v/d; echo own > /v/d/file; ln -s {canary} /v/abs
        ln -s /proc/sys/kernel /v/sys; ln -s /proc/1/root{canary} /v/root
        exec /swapper /v/d /v/abs /v/sys /v/root"""
    engine.detached("--name", "swaps", "-v", "race:/v", "-v", f"{swapper}:/swapper:ro", "busybox",
                    "sh", "-c", script)  # fmt: skip
    engine.logs_until("swaps", "up")
    # were it open, the host's would get the value that it has
    write = "cat $p > /tmp/is; cat /tmp/is > $p && echo OPEN"
    write = f"for p in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness; do {write}; done"
    end = time.monotonic() + 1
    for _ in range(200):
        done = engine.run("run", "--rm", *NONE, "-v", "race:/v", "--security-opt",
                          "mask=/v/d:/v/d/file", "busybox", "sh", "-c", write)  # fmt: skip
        assert "OPEN" not in done.out and "Traceback" not in done.err, done
        assert done.code == 125 or done.err.count("can't create") == 2, done
        if time.monotonic() > end:
            break
