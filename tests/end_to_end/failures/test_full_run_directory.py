"""A run directory in which no more files can be made: a start that fails leaves nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from engine import Engine, wait_for


def test_starts_that_run_out_of_files(fresh: Callable[[str], Engine], engine: Engine) -> None:
    """At each file that a start makes below RUN, network.json among them."""
    made = fresh("user" if engine.rootless else "root")
    made.ok("pull", "-q", "busybox")
    made.ok("run", "--rm", "busybox", "true")  # the bridge, the networks' files
    run = Path(made.ok("info", "--format", "{{.Store.RunRoot}}"))
    failed = 0
    for free in range(12):
        _mount(run, made, inodes=2 + free)
        try:
            done = made.run("run", "-d", "--name", "c", "busybox", "sleep", "100")
            failed += bool(done.code)
            if done.code:
                assert "internal error" not in done.err
                print(free, done.err)
                wait_for(lambda: not made.processes(), 10)
                taken = [json.loads(f.read_text()) for f in (run / "networks").glob("*.json")]
                assert not any(one.get("addresses") for one in taken)
            made.run("rm", "-f", "c")
            wait_for(lambda: not made.processes(), 10)
        finally:
            subprocess.run(["umount", "-l", run], check=True)
    assert failed > 3
    made.ok("ps", "-a")


def _mount(run: Path, engine: Engine, *, inodes: int) -> None:
    owner = subprocess.run(["stat", "-c", "uid=%u,gid=%g", run], capture_output=True, text=True,
                           check=True).stdout.strip()  # fmt: skip
    options = f"nr_inodes={inodes},size=4m,mode=700,{owner}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "few", run], check=True)
