"""Our own output goes to a file on a full disk: that is told in one line, where it can be."""

from __future__ import annotations

import subprocess

import pytest
from engine import Engine

NONE = ("--network", "none")
COMMANDS = {
    "list": ("ps", "-a"), "images": ("images",), "info": ("info",), "help": ("ps", "--help"),
    "run": ("run", "--rm", *NONE, "busybox", "echo", "x"), "logs": ("logs", "c"),
    "create": ("create", *NONE, "busybox"), "inspect": ("inspect", "c"),
    "cp": ("cp", "c:/etc/passwd", "-"), "events": ("events", "--since", "1h", "--until", "0s"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def container(root: Engine) -> None:
    root.ok("run", "--name", "c", *NONE, "busybox", "echo", "x")


@pytest.mark.parametrize("kind", COMMANDS)
def test_standard_output(root: Engine, kind: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(root.command(*COMMANDS[kind]), stdin=subprocess.DEVNULL, stdout=full,
                              stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert done.returncode == 125
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("crunpy: error: "), done.stderr
    assert "no space left on device" in lines[0]


def test_standard_error(root: Engine) -> None:
    """What cannot be said changes neither the work nor the exit status."""
    with open("/dev/full", "wb") as full:
        for words in (("start", "nobody"), ("pull", "-q", "127.0.0.1:1/x"), ("inspect", "nobody"),
                      ("run", "--rm", *NONE, "--memory", "64m", "busybox", "true")):  # fmt: skip
            expected = root.run(*words).code
            done = subprocess.run(root.command(*words), stdin=subprocess.DEVNULL, stderr=full,
                                  stdout=subprocess.PIPE)  # fmt: skip
            assert done.returncode == expected, words
