"""What a killed command leaves is given back: addresses of networks, and bytes on the disk."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from images import image
from mirror import Registry
from oci_images import entry, tar
from tracing import traced

MIB = 1 << 20
BIG = 48 * MIB


# ---- addresses ----


def addresses(engine: Engine) -> dict[str, Any]:
    file = engine.run_root / "networks/bridge.json"
    return dict(json.loads(file.read_text())["addresses"]) if file.exists() else {}


def test_addresses_of_runs_that_were_killed_at_any_time(root: Engine) -> None:
    """At some moment of each start; then everything is removed, as a user would."""
    chance = random.Random(1)
    for n in range(40):
        run = root.popen("run", "-d", "--name", f"c{n}", "busybox", "sleep", "1000")
        time.sleep(0.03 + chance.random() * 0.12)
        run.kill()
        run.wait()
    root.run("rm", "-f", "-a")
    root.ok("run", "--rm", "busybox", "true")
    assert addresses(root) == {}


@pytest.mark.parametrize("role", ["cli", "monitor"])
def test_addresses_at_every_call_that_changes_something(root: Engine, role: str) -> None:
    """Killed before the k-th such call; the container's removal or the next run gives it back."""
    command = ("run", "-d", "--name", "web", "busybox", "sleep", "1000")
    calls = traced(root, "", 0, 0, *command)["counts"][role]
    root.ok("rm", "-f", "web")
    leaked = []
    end = time.monotonic() + 10
    for k in sorted(range(1, calls + 1), key=lambda k: (k * 7) % 11):
        hit = traced(root, role, k, signal.SIGKILL, *command)
        root.run("rm", "-f", "web")
        if addresses(root):
            root.ok("run", "--rm", "busybox", "true")
        if found := addresses(root):
            leaked.append((k, hit["at"], found))
            (root.run_root / "networks/bridge.json").unlink()
        if time.monotonic() > end:
            break
    assert [(k, at) for k, at, _ in leaked] == []


# ---- bytes ----


def used(engine: Engine) -> int:
    out = subprocess.run(["du", "-s", "-B1", engine.root], capture_output=True, text=True)
    return int(out.stdout.split()[0])


@pytest.fixture(scope="module")
def big(registry: Registry, base: Path) -> tuple[str, Path]:
    """The name of an image with a layer of BIG bytes that nothing compresses, and its layout."""
    made = image(registry.busybox, tar(entry("big", os.urandom(BIG))))
    layout = base / "big-layout"
    made.write_layout(layout, "big")
    return registry.push("test/big", made), layout


def killed(engine: Engine, before: int, *command: object, at: int) -> None:
    """Run `command` and kill it when it has written `at` bytes."""
    process = engine.popen(*command, start_new_session=True)
    while process.poll() is None and used(engine) < before + at:
        time.sleep(0.002)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize("verb", ["pull", "load", "import", "commit", "run"])
@pytest.mark.parametrize("part", [0.3, 0.9, 1.5])
def test_bytes_of_killed_commands(
    engine: Engine,
    fresh: Callable[[str], Engine],
    big: tuple[str, Path],
    base: Path,
    verb: str,
    part: float,
) -> None:
    """`system prune` finds what is left when nobody is at work on it any more."""
    own = fresh("user" if engine.rootless else "root")
    own.ok("pull", "-q", "busybox")
    archive = base / "big.tar"
    if not archive.exists():
        archive.write_bytes(tar(entry("big", os.urandom(BIG))))
    if verb == "commit":
        script = f"head -c {BIG} /dev/urandom > /big"
        own.ok("run", "--network", "none", "--name", "c", "busybox", "sh", "-c", script)
    commands = {
        "pull": ("pull", "-q", big[0]),
        "load": ("load", "-q", "-i", big[1]),
        "import": ("import", "-q", archive, "test/imported"),
        "commit": ("commit", "-q", "c", "test/committed"),
        "run": ("run", "--rm", "--network", "none", "-q", big[0], "true"),
    }
    before = used(own)
    killed(own, before, *commands[verb], at=int(BIG * part))
    own.run("rmi", "-f", big[0], "test/committed", "test/imported")
    done = own.run("system", "prune", "-f")
    assert (done.code, done.err) == (0, "")
    if verb == "commit":
        assert used(own) - before < MIB, f"{(used(own) - before) >> 20} MiB stay"
        return
    own.run("rmi", "-f", "busybox")
    own.ok("system", "prune", "-a", "-f")
    left = [f"{p.stat().st_size >> 20} MiB {p.relative_to(own.root)}"
            for p in own.root.rglob("*") if p.is_file() and p.stat().st_size >= MIB]  # fmt: skip
    assert left == []
