"""Colours and moving lines: on terminals that want them alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from engine import Engine, Pty

COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|38|9[0-7])(?:;[0-9;]*)?m")
MOVE = re.compile(rb"\x1b\[[0-9]*[ABJK]")


def on_terminal(engine: Engine, words: tuple[object, ...], **variables: str) -> bytes:
    terminal = Pty(engine.command(*words, env=variables), {})
    try:
        assert terminal.wait(60) == 0
        return terminal.seen
    finally:
        terminal.close()


@pytest.fixture(params=["build", "pull"])
def words(request: pytest.FixtureRequest, root: Engine, tmp_path: Path) -> tuple[object, ...]:
    if request.param == "pull":
        root.run("rmi", "-f", "busybox")
        return ("pull", "busybox")
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo line; sleep 0.3\n")
    return ("build", "--no-cache", "--network", "none", "-t", "coloured", tmp_path)


def test_a_terminal_has_them(root: Engine, words: tuple[object, ...]) -> None:
    seen = on_terminal(root, words, TERM="xterm-256color")
    assert COLOUR.search(seen) and MOVE.search(seen), seen
    assert b"\x1b" not in on_terminal(root, ("images",), TERM="xterm-256color")


def test_no_color(root: Engine, words: tuple[object, ...]) -> None:
    """https://no-color.org."""
    seen = on_terminal(root, words, TERM="xterm-256color", NO_COLOR="1")
    assert not COLOUR.search(seen), seen


def test_a_terminal_that_cannot(root: Engine, words: tuple[object, ...]) -> None:
    seen = on_terminal(root, words, TERM="dumb")
    assert b"\x1b[" not in seen, seen


def test_no_terminal(root: Engine, words: tuple[object, ...]) -> None:
    """Logs of CI jobs have whole lines, and no more than one for each thing that is done."""
    done = root.run(*words, env={"TERM": "xterm-256color", "CLICOLOR_FORCE": None})
    said = done.out + done.err
    assert done.code == 0 and "\x1b" not in said and "\r" not in said
    assert len(said.splitlines()) < 12, said
