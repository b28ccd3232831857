"""The examples, as root and as a plain user, and checked by mypy."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import debian_images
import pytest
from engine import CHECKOUT, REACHABLE
from programs import Programs

EXAMPLES = CHECKOUT / "examples"
SAID = {
    "hello": "hello\n3 it went wrong\n[b'a', b'b']\nstdout b'as\\n'\nstdout b'it comes\\n'\n",
    "web": "404 nginx\nnginx\nTrue\nit was asked\nrunning True\n",
    "async_pool": "8555\ngiven up\n",
    "build": (
        "step 1 of 4: FROM busybox\nstep 2 of 4: ARG WHO\n"
        "step 3 of 4: RUN echo hello $WHO > /said\nstep 4 of 4: CMD cat /said\nhello you\n"
    ),
    "volumes": "kept\nof the host\ntouch: /h/x: Read-only file system\n",
}


def test_every_example_is_tested() -> None:
    assert {p.stem for p in EXAMPLES.glob("*.py")} == {*SAID, "test_databases"}


@pytest.mark.parametrize("name", SAID)
def test_examples(programs: Programs, name: str) -> None:
    words = [programs.engine.registry] if name == "build" else []
    words = ["busybox", *words] if words else []
    done = programs.run(EXAMPLES / f"{name}.py", *words)
    assert done.out.startswith(SAID[name]) and not done.err
    engine = programs.engine
    engine.run("rmi", "-f", "nginx")
    engine.run("builder", "prune", "-a", "-f")
    assert not engine.left()


@pytest.mark.timeout(400)
def test_databases(programs: Programs) -> None:
    layout = str(debian_images.software()).replace(str(CHECKOUT), str(REACHABLE))
    with tempfile.TemporaryDirectory(dir=programs.engine.home) as home:
        Path(home).chmod(0o777)
        done = programs.run(
            "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--basetemp",
            f"{home}/tmp", EXAMPLES / "test_databases.py",
            env={"DATABASES_ARCHIVE": layout}, timeout=390,
        )  # fmt: skip
    assert "4 passed" in done.out, done.out


def test_mypy_accepts_them() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir",
               str(CHECKOUT / ".mypy_cache/library"), str(EXAMPLES)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)
    assert done.stdout.startswith("Success"), done.stdout
