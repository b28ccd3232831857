"""system reset, migrate and renumber."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from engine import Engine, wait_for

from crun_py.net import config
from crun_py.paths import Paths

SLEEP = ("busybox", "sleep", "1000")


@pytest.fixture(params=["root", "user"])
def store(request: pytest.FixtureRequest, fresh: Callable[[str], Engine]) -> Engine:
    engine = fresh(request.param)
    engine.ok("pull", "-q", "busybox")
    return engine


def left(engine: Engine) -> list[str]:
    """What lies in the two directories, but for locks and the journal."""
    found = []
    for top in (engine.root, engine.run_root):
        for directory, names, files in os.walk(top):
            found += [f"{directory}/{name}/" for name in names]
            found += [f"{directory}/{name}" for name in files]
    return [path for path in found if ".lock" not in path and "events.log" not in path]


def test_everything_goes(store: Engine) -> None:
    store.ok("network", "create", "back")
    precious = store.root / "precious"
    precious.mkdir()
    (precious / "letter").write_text("dear")
    running = store.detached("--network", "back", "--name", "a", "-p", "127.0.0.1::80",
                             "-v", "kept:/d", *SLEEP)  # fmt: skip
    store.ok("create", "--name", "b", "--network", "none", "-v", "/anonymous", "busybox")
    store.ok("secret", "create", "pw", "-", input="x")
    store.ok("build", "-q", "-", input="FROM busybox\nRUN echo x > /x\n")
    pids = store.pids(running)
    answer = store.run("system", "reset", input="n\n")
    assert "all containers" in answer.out and len(store.ps("-a")) == 2
    store.ok("pod", "create", "--name", "p", "--network", "none")
    store.ok("run", "-d", "--pod", "p", *SLEEP)
    if not store.rootless:
        store.ok("mount", "b")
        store.ok("image", "mount", "busybox")
    assert store.run("system", "reset", input="y\n").code == 0
    assert wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    assert left(store) == [f"{precious}/", f"{precious}/letter"]
    shutil.rmtree(precious)
    assert store.ps("-a") == [] and store.ok("images", "-q") == "" == store.ok("volume", "ls", "-q")
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
    assert config.table(Paths(str(store.root))) not in rules
    assert str(store.root) not in Path("/proc/self/mountinfo").read_text()
    again = store.ok("run", "--rm", "--network", "none", "busybox", "echo", "again")
    assert again == "again"
    store.ok("system", "reset", "--force")
    assert left(store) == []


def test_migrate_stops_what_runs(store: Engine) -> None:
    store.detached("--name", "a", "--network", "none", "--stop-timeout", "0", *SLEEP)
    store.ok("create", "--name", "b", "--network", "none", *SLEEP)
    assert store.ok("system", "migrate") == ""
    assert not store.state("a")["Running"]
    store.ok("start", "a")
    assert store.state("a")["Running"]
    assert "runtime" in store.fails("system", "migrate", "--new-runtime", "runc")
    assert store.ok("system", "renumber") == ""
