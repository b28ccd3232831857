"""How a new volume is filled: as a whole, and nowhere but into the volume.

A second container that has the volume already is the attacker: it exchanges what is being
written for links to a canary directory of the host.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Engine, wait_for
from images import image
from mirror import Registry
from oci_images import directory, entry, snapshot, tar

DIRECTORIES, FILES = 8, 1500


EXCHANGER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Exchange LINK-N with each directory D-N: once, as soon as it is there, or (with a pause) for
 * ever. */
int main(int argc, char **argv)
{
	char link[4096];
	int pause_us = argv[3][0] == '-' ? -1 : 20, done[64] = { 0 };
	puts("up");
	fflush(stdout);
	for (time_t end = time(NULL) + 2; pause_us >= 0 || time(NULL) <= end;) {
		for (int n = 0; n < 8; n++) {
			char name[4096];
			snprintf(name, sizeof(name), "%s%d", argv[1], n);
			snprintf(link, sizeof(link), "%s%d", argv[2], n);
			if (!done[n] && !renameat2(AT_FDCWD, name, AT_FDCWD, link, RENAME_EXCHANGE))
				done[n] = pause_us < 0;
			if (pause_us > 0)
				usleep(pause_us);
		}
		int left = 0;
		for (int n = 0; n < 8; n++)
			left += !done[n];
		if (!left)
			break;
	}
	return 0;
}
"""


@pytest.fixture(scope="module")
def exchanger(base: Path) -> Path:
    source, program = base / "exchanger.c", base / "exchanger"
    source.write_text(EXCHANGER)
    subprocess.run(["gcc", "-static", "-O1", "-w", "-o", program, source], check=True)
    return program


@pytest.fixture
def canary(engine: Engine) -> Iterator[Path]:
    """A directory that the engine's user could write to."""
    path = engine.home / "canary"
    path.mkdir(exist_ok=True)
    (path / "g0").write_text("untouched")
    subprocess.run(["chown", "-R", f"{engine.user or 'root'}:", path], check=True)
    before = snapshot(path)
    yield path
    after = snapshot(path)
    shutil.rmtree(path)
    assert after == before, sorted(set(after) ^ set(before))[:10]


@pytest.fixture(scope="module")
def large(registry: Registry) -> str:
    """An image whose /data takes a second to copy: setuid files of another owner."""
    made = [directory("data", mode=0o777)]
    for d in range(DIRECTORIES):
        made.append(directory(f"data/d{d}", mode=0o777))
        made += [entry(f"data/d{d}/f{n}", b"evil", mode=0o4777, uid=1234) for n in range(FILES)]
    return registry.push("test/large", image(registry.busybox, tar(*made)))


def filling(engine: Engine, large: str, name: str) -> subprocess.Popen[bytes]:
    """A container in the making that fills the new volume `name`; back when it has begun."""
    process: subprocess.Popen[bytes] = engine.popen(
        "create", "--network", "none", "--name", "a", "-v", f"{name}:/data", large
    )
    data = engine.root / "volumes" / name / "_data"
    wait_for(lambda: data.exists() or process.poll() is not None, every_s=0.001)
    return process


def count(engine: Engine, name: str) -> int:
    """How many files a container sees that is given the volume `name`, at once."""
    script = "find /data -type f | wc -l"
    options = ("run", "--rm", "--network", "none", "-v", f"{name}:/data")
    return int(engine.ok(*options, "busybox", "sh", "-c", script))


def test_links_put_in_its_way_lead_nowhere(
    engine: Engine, large: str, canary: Path, exchanger: Path
) -> None:
    """Each directory becomes a link to the canary as soon as it is there to be filled."""
    engine.ok("pull", "-q", large)
    script = f"for n in $(seq 0 7); do ln -s {canary} /data/link$n; done; /x /data/d /data/link -"
    for attempt in range(2):
        process = filling(engine, large, f"v{attempt}")
        volumes = ("-v", f"v{attempt}:/data", "-v", f"{exchanger}:/x:ro")
        engine.run(
            "run",
            "--rm",
            "--network",
            "none",
            *volumes,
            "busybox",
            "timeout",
            "2",
            "sh",
            "-c",
            script,
        )
        assert process.wait() in (0, 125)
        engine.ok("rm", "-f", "a")


def test_nobody_sees_it_before_it_is_filled(engine: Engine, large: str) -> None:
    engine.ok("pull", "-q", large)
    process = filling(engine, large, "v")
    assert count(engine, "v") == DIRECTORIES * FILES
    assert process.wait() == 0


def test_a_volume_whose_filling_was_killed(engine: Engine, large: str) -> None:
    """Half of the files is what no container may see: it is as if it had not been begun."""
    engine.ok("pull", "-q", large)
    process = filling(engine, large, "v")
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    again = ("run", "--rm", "--network", "none", "-v", "v:/data", large)
    assert engine.ok(*again, "sh", "-c", "find /data -type f | wc -l") == str(DIRECTORIES * FILES)


def test_two_that_fill_at_once(engine: Engine, large: str) -> None:
    """Both get the whole of it, once."""
    engine.ok("pull", "-q", large)
    run = ("run", "--rm", "--network", "none", "-v", "v:/data", large)
    both = [engine.popen(*run, "sh", "-c", "find /data -type f | wc -l") for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert said == [f"{DIRECTORIES * FILES}\n".encode()] * 2


def test_a_source_that_changes_leads_nowhere(engine: Engine, canary: Path, exchanger: Path) -> None:
    """--rootfs: a container that runs on the same directory exchanges it while it is copied."""
    root = engine.home / "changing"
    for path in ("bin", "data", "etc", "proc", "dev", "sys", "tmp"):
        (root / path).mkdir(parents=True, exist_ok=True)
    (root / "bin/x").write_bytes(exchanger.read_bytes())
    (root / "bin/x").chmod(0o755)
    for n in range(8):
        (root / f"data/d{n}").mkdir()
        (root / f"tmp/link{n}").symlink_to(canary)
        for file in range(100):
            (root / f"data/d{n}/g{file}").write_text("own")
    subprocess.run(["chown", "-hR", f"{engine.user or 'root'}:", root], check=True)
    engine.detached("--name", "b", "--rootfs", root, "/bin/x", "/data/d", "/tmp/link", "+")
    engine.logs_until("b", "up")
    end = time.monotonic() + 5
    for n in range(40):
        options = ("--network", "none", "--name", f"a{n}", "-v", f"v{n}:/data", "--rootfs", root)
        assert "Traceback" not in engine.run("create", *options, "/bin/x").err
        data = engine.root / f"volumes/v{n}/_data"
        stolen = [p for p in data.glob("d*/g0") if not p.parent.is_symlink()]
        assert [p for p in stolen if p.read_text() == "untouched"] == []
        if time.monotonic() > end:
            break
