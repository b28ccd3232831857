"""Users and owners that are traps, and files that a context should not hold."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from building import Canary, build, context, failed, said
from engine import Engine


@pytest.fixture
def canary(engine: Engine) -> Iterator[Canary]:
    made = Canary(engine)
    yield made
    assert made.untouched


@pytest.mark.parametrize("who", ["4294967295", "4294967296", "-1", "0:4294967295", "1e3", "0x10"])
def test_users_out_of_range(engine: Engine, who: str) -> None:
    error = failed(engine, f"FROM busybox\nUSER {who}\nRUN id > /id\n")
    assert ">>> 3 | RUN id" in error or f">>> 2 | USER {who}" in error


OWNERS = ["4294967295", "4294967296", "-1", "root:4294967295", "../x", "root;id", "a:b:c",
          "ro*t", "root\\ x", "$(id)", "evil", "root:evil"]  # fmt: skip


@pytest.mark.parametrize("owner", OWNERS)
def test_owners_that_are_none(root: Engine, owner: str) -> None:
    evil = "RUN echo evil:x:4294967296:5::/:/bin/sh >> /etc/passwd; echo evil:x:-1: >> /etc/group\n"
    text = f"FROM busybox\n{evil}COPY --chown={owner} f /f\n"
    assert ">>> 3 | COPY" in failed(root, {"Dockerfile": text, "f": "x"})


@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "loop", "huge"])
def test_a_passwd_that_is_a_trap(engine: Engine, canary: Canary, kind: str) -> None:
    make = {
        "fifo": "mkfifo /etc/passwd", "link": f"ln -s {canary.path}/passwd /etc/passwd",
        "directory": "mkdir /etc/passwd", "loop": "ln -s passwd /etc/passwd",
        "huge": "truncate -s 20M /etc/passwd",
    }[kind]  # fmt: skip
    text = (
        f"FROM busybox\nRUN rm /etc/passwd; {make}\nCOPY --chown=canary f /f\nUSER canary\nRUN id\n"
    )
    (canary.path / "passwd").write_text("canary:x:7:7::/:/bin/sh\n")
    try:
        done = build(engine, context(engine, {"Dockerfile": text, "f": "x"}), timeout=30)
        assert done.code == 1 and ">>> 3 | COPY" in done.err, done
    finally:
        (canary.path / "passwd").unlink()


@pytest.mark.parametrize("kind", ["fifo", "device", "socket"])
def test_special_files_of_a_context(root: Engine, kind: str) -> None:
    """They do not hold a build up, and are not read."""
    where = context(root, {"Dockerfile": "FROM busybox\nCOPY d /d\n", "d/f": "x"})
    if kind == "device":
        os.mknod(where / "d/x", 0o20666, os.makedev(1, 5))  # /dev/zero
    elif kind == "fifo":
        os.mkfifo(where / "d/x")
    else:
        subprocess.run(["python3", "-c", "import socket, sys; socket.socket(1).bind(sys.argv[1])",
                        where / "d/x"], check=True)  # fmt: skip
    done = build(root, where, "-t", "special", timeout=20)
    assert done.code in (0, 1)
    if done.code == 0:
        assert said(root, "special", "cat", "/d/f") == "x"


def test_escapes_do_not_reach_the_terminal(root: Engine) -> None:
    text = "FROM busybox\nLABEL a='\x1b[2J'\nRUN : '\x1b]0;x\x07'; false\n"
    done = build(root, context(root, {"Dockerfile": text}))
    assert done.code == 1 and "\x1b" not in done.out + done.err and "\x07" not in done.err
