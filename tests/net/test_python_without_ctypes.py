"""A Python that was built without libffi: bridges cannot be made, which is said in one line."""

from __future__ import annotations

import subprocess

from engine import Engine

_CODE = """
import os, sys
sys.modules["_ctypes"] = None
sys.path.insert(0, os.path.dirname(os.path.dirname(sys.argv[1])))
del sys.argv[1]
from crun_py.__main__ import entry
entry()
"""


def run(engine: Engine, *words: str) -> subprocess.CompletedProcess[str]:
    command = engine.command(*words)
    (at,) = (i for i, word in enumerate(command) if word.endswith("crun_py/__main__.py"))
    command[at:at] = ["-c", _CODE]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_network_is_not_made(engine: Engine) -> None:
    done = run(engine, "network", "create", "ctypes")
    assert done.returncode == 125, done
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "crunpy: error: making networks: this Python was built without _ctypes (install libffi-dev"
    )
    assert "ctypes" not in engine.ok("network", "ls", "-q", "--format", "{{.Name}}").split()


def test_what_does_without(engine: Engine) -> None:
    done = run(engine, "run", "--rm", "--network", "none", "busybox", "echo", "hi")
    assert (done.returncode, done.stdout) == (0, "hi\n"), done


def test_the_doctor_says_so(engine: Engine) -> None:
    done = run(engine, "doctor")
    (line,) = (line for line in done.stdout.splitlines() if "_ctypes" in line)
    assert line.startswith("error    python: ")
