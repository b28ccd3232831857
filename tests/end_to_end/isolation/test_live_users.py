"""Names of users in a container that exchanges its files meanwhile: only its own are ever read.

The container exchanges a directory of its passwd and group with a symbolic link to a directory
of the host, atomically and all the time.  The canary directory has users that the container
does not have: whoever finds one has read the host's files.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engine import Engine
from images import image
from mirror import Registry
from oci_images import directory, entry, snapshot, symlink, tar

SWAPPER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int pause_us = atoi(argv[3]);
	puts("up");
	fflush(stdout);
	for (;;) {
		if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE)) {
			perror("exchange");
			return 1;
		}
		if (pause_us)
			usleep(pause_us);
	}
}
"""
OWN_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nown:x:55:55::/:/bin/sh\n"
OWN_GROUP = b"root:x:0:\nown:x:55:\nextra:x:56:own\n"
SECONDS = 3.0


@pytest.fixture(scope="module")
def swapper(base: Path) -> Path:
    source, program = base / "swapper.c", base / "swapper"
    source.write_text(SWAPPER)
    subprocess.run(["gcc", "-static", "-O1", "-w", "-o", program, source], check=True)
    return program


@pytest.fixture(scope="module")
def canary(base: Path) -> Path:
    """A directory of the host with users of its own, among them other names for 0 and 55."""
    path = base / "canary-users"
    path.mkdir()
    path.chmod(0o755)
    (path / "passwd").write_text(
        "hostroot:x:0:0::/host:/bin/sh\nhostuser:x:55:4242::/host:/bin/sh\n"
    )
    (path / "group").write_text("hostgroup:x:0:\nother:x:4343:own\nhostown:x:55:own\n")
    return path


@pytest.fixture
def swapped(engine: Engine, registry: Registry, swapper: Path, canary: Path) -> Engine:
    """The engine with a container `c` in which /users, where passwd and group are, is now a
    directory and now a link to the canary."""
    layer = tar(
        directory("users"),
        entry("users/passwd", OWN_PASSWD),
        entry("users/group", OWN_GROUP),
        symlink("etc/passwd", "/live/passwd"),
        symlink("etc/group", "../live/group"),
    )
    name = registry.push("test/live-users", image(registry.busybox, layer))
    # /live is made in the container's own layer: it can be exchanged
    script = f"cp -r /users /live; ln -s {canary} /link; exec /swapper /live /link 50"
    engine.detached("-q", "--name", "c", "-v", f"{swapper}:/swapper:ro", name, "sh", "-c", script)
    engine.logs_until("c", "up")
    return engine


def again(act: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    for _ in range(300):
        act()
        if time.monotonic() > end:
            return


def test_exec_finds_no_user_of_the_hosts(swapped: Engine, canary: Path) -> None:
    before = snapshot(canary)
    found = []

    def act() -> None:
        done = swapped.run("exec", "-u", "hostuser", "c", "id")
        if done.code == 0:
            found.append(done.out)
        assert done.code in (0, 125) and done.err.count("\n") <= 1, done

    again(act)
    assert found == [] and snapshot(canary) == before


def test_exec_finds_no_group_of_the_hosts(swapped: Engine) -> None:
    """Neither by a name nor among the groups that a user of the container's has."""
    found = set()

    def act() -> None:
        named = swapped.run("exec", "-u", "0:other", "c", "id")
        if named.code == 0:
            found.add(named.out)
        own = swapped.run("exec", "-u", "55", "c", "sh", "-c", "id -g; id -G; echo $HOME")
        if own.code == 0 and ("4343" in own.out or "4242" in own.out or "/host" in own.out):
            found.add(own.out)

    again(act)
    assert found == set()


def test_top_shows_no_name_of_the_hosts(swapped: Engine) -> None:
    found = set()

    def act() -> None:
        done = swapped.run("top", "c", "user", "group")
        found.update(word for word in done.out.split() if word.startswith("host"))

    again(act)
    assert found == set()


def test_the_users_are_those_the_container_has_now(engine: Engine) -> None:
    """A user that is added meanwhile, also through a link to another directory of its own."""
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    script = """
        mkdir /new; cp /etc/passwd /etc/group /new
        echo 'late:x:77:78::/late:/bin/sh' >> /new/passwd
        echo 'more:x:79:late' >> /new/group
        rm /etc/passwd /etc/group; ln -s /new/passwd /etc/passwd; ln -s ../new/group /etc/group
    """
    engine.ok("exec", "c", "sh", "-c", script)
    script = "id -u; id -g; id -G; echo $HOME"
    found = engine.ok("exec", "-u", "late", "c", "sh", "-c", script).split("\n")
    assert found == ["77", "78", "78 79", "/late"]


def test_links_that_lead_out_lead_nowhere(engine: Engine, canary: Path) -> None:
    """Without a race: absolute, climbing and magic links, a FIFO, a device, a huge file."""
    engine.detached("--name", "c", "busybox", "sleep", "1000")
    up = "../" * 12
    made = {
        f"ln -s {canary}/passwd /etc/passwd": "no such user",
        f"ln -s {up}{canary}/passwd /etc/passwd": "no such user",
        f"ln -s /proc/self/root{canary}/passwd /etc/passwd": "no such user",
        f"ln -s /proc/1/root{canary}/passwd /etc/passwd": "no such user",
        "mkfifo /etc/passwd": "",
        "ln -s passwd /etc/passwd": "",
        "mkdir /etc/passwd": "",
        "mknod /etc/passwd c 1 5": "",
        "truncate -s 3G /etc/passwd": "",
    }
    for command, words in made.items():
        engine.ok("exec", "c", "sh", "-c", f"rm -rf /etc/passwd; {command} || true")
        done = engine.run("exec", "-u", "hostuser", "c", "id", timeout=10)
        assert done.code == 125 and words in done.err and done.err.count("\n") == 1, (command, done)


def test_a_directory_as_root_is_read_below_it_only(
    engine: Engine, swapper: Path, canary: Path
) -> None:
    """--rootfs: the directory of the host is the container's root, which it changes itself."""
    root = engine.home / "rootfs"
    for path in ("bin", "live", "etc", "proc", "dev", "sys", "tmp"):
        (root / path).mkdir(parents=True, exist_ok=True)
    (root / "bin/swapper").write_bytes(swapper.read_bytes())
    (root / "bin/swapper").chmod(0o755)
    for name, text in (("passwd", OWN_PASSWD), ("group", OWN_GROUP)):
        (root / "live" / name).write_bytes(text)
        (root / "etc" / name).symlink_to(f"/live/{name}")
    (root / "link").symlink_to(canary)
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", root], check=True)
    engine.detached("--name", "c", "--rootfs", root, "/bin/swapper", "/live", "/link", "50")
    engine.logs_until("c", "up")
    found = []

    def act() -> None:
        done = engine.run("exec", "-u", "hostuser", "c", "/bin/swapper")
        if done.code != 125:
            found.append(done)

    again(act)
    assert found == []
