"""kill -9 of a build at any time: the store stays readable, the next commands leave nothing of it,
and what is built again is right.

A sample of the system calls is tried, CRUNPY_CRASH_EVERY=1 tries all.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from building import build, context, left, said, wipe, words
from engine import CHECKOUT, Engine
from tracing import traced

EVERY = int(os.environ.get("CRUNPY_CRASH_EVERY", "157"))
PRECIOUS: dict[str, str | bytes] = {"precious/file": "content", "precious/deep/er/file": "more"}


def precious(where: Path) -> bool:
    """The user's own files are there."""
    names = [name for name in PRECIOUS if (where / name).exists()]
    return names == [*PRECIOUS] and all((where / n).read_text() == PRECIOUS[n] for n in names)


KILLED = """FROM busybox AS a
COPY . /files/
RUN --mount=target=/ctx --mount=type=cache,target=/c cp -r /ctx/precious /p; echo x >> /c/f
FROM busybox
COPY --from=a /p /p
WORKDIR /made/here
ENV A=1
RUN cat /p/file > out; rm /etc/group
"""


def _right(engine: Engine, where: Path) -> None:
    """What can be built again is what must come of it."""
    done = build(engine, where, "-t", "killed")
    assert done.code == 0, done.err
    shown = "cat /p/file /p/deep/er/file out; ls -d /etc/group 2>&1; pwd"
    found = said(engine, "killed", "sh", "-c", shown)
    assert found == (
        "contentmorecontentls: /etc/group: No such file or directory\n/made/here"
    )  # fmt: skip


def test_killed_at_any_time(engine: Engine) -> None:
    where = context(engine, {"Dockerfile": KILLED, **PRECIOUS})
    random.seed(7)
    for number in range(14):
        process = engine.popen(*words(where, *(["--no-cache"] if number % 2 else [])))
        time.sleep(random.random() * 0.6)
        process.kill()
        process.wait()
        assert engine.run("images").code == 0 and engine.run("buildx", "du").code == 0
        if number % 4 == 3:
            _right(engine, where)
    assert precious(where)
    _right(engine, where)
    assert left(engine, 5) == []


def _check(engine: Engine, where: Path) -> None:
    assert engine.run("images").code == 0 and engine.run("ps", "-a").err == ""
    assert said(engine, "busybox", "echo", "fine") == "fine"
    _right(engine, where)
    found = left(engine, 5)
    assert found == [], found
    assert engine.ok("ps", "-a", "-q") == "" and precious(where)


@pytest.mark.parametrize("role", ["cli", "other"])
def test_killed_before_any_call(engine: Engine, role: str) -> None:
    """cli: the command; other: the processes of its stages."""
    text = KILLED
    if role == "other":
        text = text.replace(
            "FROM busybox\n", "FROM busybox AS b\nRUN : && : > /b\nFROM busybox\n", 1
        )
        text += "COPY --from=b /b /b\n"
    where = context(engine, {"Dockerfile": text, **PRECIOUS})
    command = [
        str(word) for word in words(where, "--no-cache", "-j", "1" if role == "cli" else "4")
    ]
    calls = traced(engine, "", 0, 0, *command)["counts"][role]
    first = 1 + zlib.crc32(f"{role} {engine.rootless}".encode()) % EVERY
    faults = []
    for k in range(min(first, calls), calls + 1, EVERY):
        hit = traced(engine, role, k, signal.SIGKILL, *command)
        try:
            _check(engine, where)
        except AssertionError as e:
            faults.append(f"call {k} of {calls}, {hit['at']}: {str(e)[:300]}")
            assert precious(where), faults
            engine.run("rm", "-fa")
            wipe(engine)
    assert not faults, "\n".join(faults)


MOUNTED = """
import contextlib, sys
from crun_py.errors import CrunpyError
from crun_py.overlay import mount
from crun_py.paths import Paths
from crun_py.workspace import Workspace

root, shown = sys.argv[1:]
mount.own_namespace()
place = Workspace(Paths(root, root + "-run"))
mount.bind(shown, place.directory("bind"))
with contextlib.suppress(CrunpyError, OSError):
    place.close()
"""


def test_what_is_still_mounted_is_not_removed(root: Engine) -> None:
    """Whatever went wrong before: what a build shows itself is somebody's files."""
    where = context(root, PRECIOUS)
    command = [sys.executable, "-c", MOUNTED, str(root.home / "place"), str(where)]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(CHECKOUT)})
    assert precious(where)
