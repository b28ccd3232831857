"""Sockets and pipes by which a container's monitor is watched and driven: nobody else's, neither a
container with the host's network (CVE-2020-15257) nor another user of the machine."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from engine import Engine

CONNECT = r"""
import os, socket, sys
found = []
for path in sys.argv[1:]:
    try:
        os.chdir(os.path.dirname(path))  # the whole path is too long for a socket's address
        path = os.path.basename(path)
    except PermissionError:
        continue
    for kind in (socket.SOCK_SEQPACKET, socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as s:
            try:
                s.connect(path)
                found.append(path)
            except OSError as e:
                found += [] if e.errno in (13, 1) else [f"{path}: {e}"]
print(found)
"""
STRANGER = 54321


def as_stranger(code: str, *arguments: str) -> str:
    """What Python code prints when it runs as some other user."""
    become = ["setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER), "--clear-groups"]
    command = [*become, "/usr/bin/python3", "-I", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout


def sockets(engine: Engine) -> list[Path]:
    tops = [p for p in engine.root.iterdir() if p.name not in ("layers", "volumes")]
    found = [p for top in (*tops, engine.run_root) for p in top.rglob("*") if not p.is_symlink()]
    return [p for p in found if stat.S_ISSOCK(p.stat().st_mode) or p.is_fifo()]


@pytest.fixture
def busy(engine: Engine) -> Engine:
    """One container of each kind that has something to be driven by."""
    engine.home.chmod(0o755)
    if engine.user:
        (engine.home / "xdg").chmod(0o755)  # as if the session's own directory were open
    wrap = ["sh", "-c", 'umask 000; exec "$@"', "sh"]
    check = ("--health-cmd", "true", "--health-interval", "1h")
    engine.ok("network", "create", "n")
    for name, options in (("a", ("-it",)), ("b", ("--network", "n", *check)), ("d", ("-i",))):
        engine.detached("--name", name, *options, "busybox", "sleep", "1000", wrap=wrap)
    return engine


def test_other_users_are_refused(busy: Engine) -> None:
    found = sockets(busy)
    assert len(found) >= 3, found
    try:
        assert as_stranger(CONNECT, *map(str, found)) == "[]\n"
        for path in found:
            assert path.stat().st_uid != STRANGER
            outside = [p for p in path.parents if p.is_relative_to(busy.run_root)]
            assert any(not p.stat().st_mode & 0o077 for p in outside), path
    finally:
        busy.ok("rm", "-f", "-t0", "-a")
        busy.ok("network", "rm", "n")


def test_the_owner_is_not(busy: Engine) -> None:
    """The test can tell: who may, does connect."""
    found = [p for p in sockets(busy) if p.name == "attach.sock"]
    try:
        assert len(found) == 3
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            fd = os.open(found[0].parent, os.O_PATH)
            s.connect(f"/proc/self/fd/{fd}/attach.sock")
            os.close(fd)
    finally:
        busy.ok("rm", "-f", "-t0", "-a")
        busy.ok("network", "rm", "n")


def test_a_container_with_the_hosts_network_finds_none(busy: Engine) -> None:
    """Abstract names belong to the network namespace: none of ours has one."""
    try:
        out = busy.ok("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/unix")
        before = {line for line in out.splitlines() if "@" in line}
        busy.ok("rm", "-f", "-t0", "-a")
        out = busy.ok("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/unix")
        after = {line for line in out.splitlines() if "@" in line}
        gone = [line for line in before - after if "crunpy" in line or str(busy.home) in line]
        assert gone == []
    finally:
        busy.ok("rm", "-f", "-t0", "-a")
        busy.ok("network", "rm", "n")


@pytest.mark.parametrize("which", ["CRUNPY_ROOT", "CRUNPY_RUNROOT"])
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o757])
def test_a_store_that_others_may_write_to(
    engine: Engine, base: Path, which: str, mode: int
) -> None:
    """Who can put a container there says what root starts: it is refused."""
    path = base / f"open-{which}-{mode:o}-{engine.user}"
    path.mkdir()
    subprocess.run(["chown", engine.user or "root", path], check=True)
    path.chmod(mode)
    assert engine.run("ps", "-q", env={which: str(path)}).code == 0, "empty: it is ours"
    assert not path.stat().st_mode & 0o022
    for entry in path.iterdir():
        subprocess.run(["rm", "-r", entry], check=True)
    (path / "theirs").touch()
    path.chmod(mode)
    for words in (("ps",), ("run", "--rm", "busybox", "true")):
        message = engine.fails(*words, env={which: str(path)})
        assert "others may write to it" in message and which in message
    assert [p.name for p in path.iterdir()] == ["theirs"]
    path.chmod(0o755)
    assert engine.run("ps", "-q", env={which: str(path)}).code == 0


@pytest.mark.parametrize("which", ["CRUNPY_ROOT", "CRUNPY_RUNROOT"])
def test_a_store_of_somebody_else(root: Engine, user: Engine, base: Path, which: str) -> None:
    """Root does not work on a user's, nor a user on another one's."""
    path = base / f"foreign-{which}"
    path.mkdir()
    for engine, owner in ((root, user.user), (user, str(STRANGER))):
        subprocess.run(["chown", owner, path], check=True)
        assert "another user" in engine.fails("ps", env={which: str(path)})
