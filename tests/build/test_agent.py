"""--ssh: agents that are there, agents for keys, and the sockets that lead to them."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crun_py.build import forward
from crun_py.build.agent import Agent, Ssh, parse
from crun_py.errors import InvalidArgument, NotFound, Unsupported

PATH = {"PATH": os.environ["PATH"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("default", Ssh(id="default")),
        ("x", Ssh(id="x")),
        ("x=/s", Ssh(id="x", paths=("/s",))),
        ("x=s", Ssh(id="x", paths=("/d/s",))),
        ("x=a,/b", Ssh(id="x", paths=("/d/a", "/b"))),
    ],
)
def test_what_the_option_means(text: str, expected: Ssh) -> None:
    assert parse(text, "/d") == expected


@pytest.mark.parametrize("text", ["", "=/s", "x=", "x,y", "x,y=/s"])
def test_what_it_does_not_mean(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text, "/")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "the-key", "-f", "key"]
    subprocess.run(words, cwd=tmp_path, check=True)
    return tmp_path / "key"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    """Makes agents, and stops them."""
    work = tmp_path / "work"
    work.mkdir()
    agents: list[Agent] = []

    def make(text: str, **environment: str) -> Agent:
        agents.append(Agent(parse(text, str(tmp_path)), str(work), {**PATH, **environment}))
        return agents[-1]

    yield make
    for one in agents:
        one.stop()
    assert os.listdir(work) == []


def listed(path: str, **how: object) -> str:
    """What `ssh-add -l` says of the agent at `path`."""
    env = {**PATH, "SSH_AUTH_SOCK": path}
    done = subprocess.run(["ssh-add", "-l"], env=env, capture_output=True, text=True,
                          timeout=20, **how)  # type: ignore[call-overload]  # fmt: skip
    return str(done.stdout + done.stderr)


def test_key_files_get_an_agent_that_ends_with_the_build(
    key: Path, made: Callable[..., Agent]
) -> None:
    one = made(f"x={key}")
    path = one.start()
    assert "the-key" in listed(path)
    pid = one._own._pid if one._own else 0
    one.stop()
    assert not os.path.exists(path)
    deadline = time.monotonic() + 5
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not lives(pid)


def lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_an_agent_that_is_there_is_forwarded_to_other_users(
    key: Path, made: Callable[..., Agent]
) -> None:
    first = made(f"x={key}")
    theirs = first.start()
    path = made("default", SSH_AUTH_SOCK=theirs).start(mode=0o600, uid=12345, gid=12346)
    found = os.stat(path)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 12346, 0o600)
    for directory in Path(path).parents:
        if directory.stat().st_mode & 1 == 0:
            directory.chmod(0o711)
    assert "the-key" in listed(path, user=12345)
    assert "the-key" not in listed(path, user=12347)


def test_signatures_pass(key: Path, made: Callable[..., Agent], tmp_path: Path) -> None:
    path = made(f"x={key}").start()
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", f"{key}.pub"]
    (tmp_path / "text").write_text("text")
    key.unlink()
    with open(tmp_path / "text", "rb") as f:
        done = subprocess.run(words, stdin=f, capture_output=True,
                              env={**PATH, "SSH_AUTH_SOCK": path}, check=False)  # fmt: skip
    assert b"BEGIN SSH SIGNATURE" in done.stdout, done.stderr


@pytest.mark.parametrize("words", [["-D"], ["-x"], ["KEY"]])
def test_nothing_else_does(key: Path, made: Callable[..., Agent], words: list[str]) -> None:
    path = made(f"x={key}").start()
    command = ["ssh-add", *[str(key) if word == "KEY" else word for word in words]]
    done = subprocess.run(command, env={**PATH, "SSH_AUTH_SOCK": path, "SSH_ASKPASS": "/bin/true",
                          "SSH_ASKPASS_REQUIRE": "force"}, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=20)  # fmt: skip
    assert done.returncode != 0
    assert "the-key" in listed(path)


def connected(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(10)
    made.connect(path)
    return made


def test_what_is_no_message_ends_a_connection_and_no_other(
    key: Path, made: Callable[..., Agent]
) -> None:
    path = made(f"x={key}").start()
    idle = connected(path)
    for text in (b"\xff\xff\xff\xff", b"\0\0\0\0", b"GET / HTTP/1.0\r\n\r\n"):
        with connected(path) as one:
            one.sendall(text)
            one.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert one.recv(100) == b""
    assert "the-key" in listed(path)
    idle.close()


def test_many_idle_connections_do_no_harm(
    key: Path, made: Callable[..., Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_CONNECTIONS", 8)
    path = made(f"x={key}").start()
    idle = [connected(path) for _ in range(8)]
    for one in idle:
        one.close()
    assert "the-key" in listed(path)


def test_the_forward_ends_with_who_started_it(key: Path, made: Callable[..., Agent]) -> None:
    theirs = made(f"x={key}").start()
    work = Path(theirs).parent / "inner"
    work.mkdir()
    pid = os.fork()
    if pid == 0:
        Agent(Ssh(id="y", paths=(theirs,)), str(work), PATH).start()
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    left = next(work.iterdir())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            connected(str(left)).close()
        except ConnectionRefusedError:
            break
        time.sleep(0.02)
    else:
        pytest.fail("it still listens")
    left.unlink()
    work.rmdir()


def test_a_path_may_be_longer_than_an_address(key: Path, tmp_path: Path) -> None:
    work = tmp_path / ("w" * 120)
    work.mkdir()
    links = tmp_path / "short"
    links.symlink_to(work)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        one = Agent(Ssh(id="x", paths=(str(key),)), str(tmp_path), PATH)
        try:
            theirs = one.start()
            two = Agent(Ssh(id="x", paths=(theirs,)), str(work), PATH)
            path = two.start()
            assert "the-key" in listed(os.path.basename(path), cwd=work)
            two.stop()
        finally:
            one.stop()


def test_what_is_missing_is_said(key: Path, tmp_path: Path, made: Callable[..., Agent]) -> None:
    with pytest.raises(NotFound, match="SSH_AUTH_SOCK is not set"):
        made("default")
    with pytest.raises(NotFound, match="no such file"):
        made("x=nothing")
    with pytest.raises(InvalidArgument, match="neither a socket nor a key"):
        made(f"x={tmp_path}")
    path = made(f"x={key}").start()
    with pytest.raises(InvalidArgument, match="one socket"):
        made(f"x={path},{key}")
    with pytest.raises(Unsupported, match="not installed"):
        Agent(Ssh(id="x", paths=(str(key),)), str(tmp_path), {"PATH": "/nowhere"}).start()


def test_keys_that_cannot_be_used_are_named(
    key: Path, tmp_path: Path, made: Callable[..., Agent]
) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", "locked"]
    subprocess.run(words, cwd=tmp_path, check=True)
    one = made("x=locked")
    with pytest.raises(InvalidArgument, match="locked cannot be used") as caught:
        one.start()
    assert "passphrase" in caught.value.hint
    key.chmod(0o644)
    two = made(f"x={key}")
    with pytest.raises(InvalidArgument, match="others may read"):
        two.start()
