"""Bad input: one line on standard error, exit status 125, nothing changed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import images
import pytest
from engine import CHECKOUT, Engine, free_port
from mirror import Registry

NONE = ("run", "--rm", "--network", "none")
OTHER = "s390x"


def listing(engine: Engine) -> list[str]:
    """Every path of the store with its size; lock files and caches may come."""
    found = []
    for top in (engine.root, engine.run_root):
        for directory, _, files in os.walk(top):
            if "/layers/" in directory or "/cache" in directory:
                continue
            names = [f for f in files if "lock" not in f]
            found += [f"{directory}/{f} {os.lstat(f'{directory}/{f}').st_size}" for f in names]
    return sorted(found)


@pytest.fixture
def unchanged(engine: Engine) -> Iterator[Engine]:
    """The store holds a container `there`, and is the same afterwards."""
    engine.ok("create", "--network", "none", "--name", "there", "busybox")
    before = listing(engine)
    yield engine
    assert not engine.processes()
    assert listing(engine) == before
    assert engine.ps("-a") == ["there"]


def test_unknown_image(unchanged: Engine) -> None:
    for name in (f"{unchanged.registry}/nosuch:tag", f"{unchanged.registry}/library/busybox:v99"):
        for command in (("pull", "-q"), (*NONE, "-q"), ("create", "-q")):
            message = unchanged.fails(*command, name)
            assert name.split("/", 1)[1].split(":")[0] in message, message


def test_unknown_image_of_docker_io(unchanged: Engine) -> None:
    """The mirror does not have it and docker.io cannot be reached from here."""
    message = unchanged.fails("pull", "-q", "nosuchimage")
    assert "nosuchimage" in message and "docker.io" in message


def test_unreachable_registry(unchanged: Engine) -> None:
    port = free_port()
    message = unchanged.fails("pull", "-q", f"127.0.0.1:{port}/x", timeout=120)
    assert f"127.0.0.1:{port}" in message and "refused" in message
    message = unchanged.fails("pull", "-q", "no-such-host.invalid/x", timeout=120)
    assert "no-such-host.invalid" in message


def test_something_else_than_a_registry(unchanged: Engine) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(4096)
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/html\r\n\r\n<p>hi"
                )
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        name = f"127.0.0.1:{listener.getsockname()[1]}/x"
        unchanged.fails("pull", "-q", name, timeout=120)
        listener.shutdown(socket.SHUT_RDWR)


def test_image_for_another_architecture(unchanged: Engine, registry: Registry) -> None:
    name = registry.push("test/foreign", images.image(registry.busybox, architecture=OTHER))
    message = unchanged.fails(*NONE, "-q", name, "true")
    assert OTHER in message


def test_platform_that_the_image_does_not_have(unchanged: Engine) -> None:
    message = unchanged.fails("pull", "-q", "--platform", f"linux/{OTHER}", "busybox")
    assert OTHER in message


def test_name_taken(unchanged: Engine) -> None:
    for command in (("create",), ("run",), ("run", "-d"), ("run", "--rm")):
        code = 1 if command == ("create",) else 125  # as docker
        words = (*command, "--network", "none", "--name", "there", "busybox")
        message = unchanged.fails(*words, code=code)
        assert "'there'" in message and "in use" in message and "crunpy rm there" in message


@pytest.mark.parametrize(
    "command",
    ["rm", "stop", "kill", "start", "wait", "logs", "inspect", "attach", "exec {} true",
     "start -a", "stop -t 0", "rm -v"],
)  # fmt: skip
def test_no_such_container(unchanged: Engine, command: str) -> None:
    words = command.split()
    arguments = [*words, "nosuch"] if "{}" not in words else [w.format("nosuch") for w in words]
    done = unchanged.run(*arguments)
    code = 1 if words[0] in ("rm", "start") else 125  # docker's
    assert done.code == code and done.out.strip() in ("", "[]")
    assert done.err.count("\n") == 1 and "no such" in done.err and "nosuch" in done.err


BAD_WORDS: list[tuple[list[str], str]] = [
    (["run", "--nosuch", "busybox"], "--nosuch"),
    (["run", "--detatch", "busybox"], "did you mean --detach?"),
    (["run", "-Z", "busybox"], "-Z"),
    (["run"], "IMAGE"),
    (["run", "--name"], "--name"),
    (["run", "-d=maybe", "busybox"], "-d"),
    (["pul"], "did you mean pull?"),
    (["ps", "extra"], "extra"),
    (["exec", "there"], "COMMAND"),
    (["rm"], "no container"),
    (["logs"], "no container given"),
    (["rename", "a", "b", "c"], "c"),
    (["--nosuch", "ps"], "--nosuch"),
    (["ps", "--last", "x"], "not a whole number"),
    (["ps", "--filter", "nosuch=1"], "nosuch"),
    (["ps", "--filter", "x"], "x"),
    (["images", "--filter", "nosuch=1"], "nosuch"),
    (["ps", "-a", "--format", "{{.Nosuch}}"], "Nosuch"),
    (["ps", "-a", "--format", "{{"], "{{"),
    (["inspect", "--format", "{{.A.B.C}}", "there"], "A"),
    (["inspect", "--type", "x", "there"], "container, image, volume or network"),
    (["stop", "-t", "x", "there"], "not a whole number"),
    (["run", "--memory", "x", "busybox"], "not a size"),
    (["run", "--memory", "1k", "busybox"], "6m"),
    (["run", "--cpus", "x", "busybox"], "not a number"),
    (["run", "--cpu-shares", "x", "busybox"], "cpu"),
    (["run", "--pids-limit", "x", "busybox"], "pids"),
    (["run", "--shm-size", "x", "busybox"], "size"),
    (["run", "--umask", "9", "busybox"], "umask"),
    (["run", "--oom-score-adj", "x", "busybox"], "oom"),
    (["run", "--stop-timeout", "x", "busybox"], "not a whole number"),
    (["run", "--stop-signal", "x", "busybox"], "signal"),
    (["run", "--log-driver", "x", "busybox"], "driver"),
    (["run", "--label", "=x", "busybox"], "label"),
    (["run", "-e", "=x", "busybox"], "environment"),
    (["run", "--expose", "x", "busybox"], "expose"),
    (["run", "--mac-address", "x", "busybox"], "x"),
    (["run", "--tls-verify=maybe", "--pull=always", "busybox"], "maybe"),
    (["run", "--detach-keys", "ctrl-", "busybox"], "keys"),
    (["run", "--attach", "x", "busybox"], "stdin"),
    (["run", "--tmpfs", "x", "busybox"], "absolute"),
    (["run", "--tmpfs", "/t:size=1m;x", "busybox"], "tmpfs"),
    (["run", "-q", "--platform", "x", "busybox"], "platform"),
    (["run", "Busybox"], "Busybox"),
    (["run", "busybox:"], "busybox:"),
    (["run", "a//b"], "a//b"),
    (["run", "busybox@sha256:xyz"], "sha256:xyz"),
    (["run", "../../etc"], "../../etc"),
    (["pull", ""], ""),
    (["pull", "busybox:" + "x" * 129], "x"),
    (["start", "-a", "there", "there2"], "only one"),
    (["kill", "-s", "99", "there"], "signal"),
    (["kill", "there"], "not running"),
    (["exec", "there", "true"], "not running"),
    (["attach", "there"], "not running"),
    (["rmi", "nosuch"], "nosuch"),
    (["rmi", "busybox"], "uses it"),
    (["inspect", "a/../b"], "a/../b"),
]


def test_bad_words(unchanged: Engine) -> None:
    for words, expected in BAD_WORDS:
        if words[0] == "run" and len(words) > 2:
            words = ["run", "--network", "none", *words[1:]]
        done = unchanged.run(*words)
        # docker and podman agree on rmi's
        assert done.code == (1 if words[0] == "rmi" else 125), (words, done)
        lines = done.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("crunpy: error: "), (words, done.err)
        assert expected in lines[0], (words, lines[0])


def test_store_that_cannot_be_written(engine: Engine, base: Path) -> None:
    blocked = base / "blocked"
    blocked.write_text("a file")
    done = engine.run(
        "--root", blocked / "root", "--runroot", blocked / "run", "pull", "-q", "busybox"
    )
    assert done.code == 125 and done.err.count("\n") == 1 and "Traceback" not in done.err
    for verb in ("ps", "images"):
        done = engine.run("--root", blocked / "root", "--runroot", blocked / "run", verb)
        assert "Traceback" not in done.err


def test_version_and_info(engine: Engine) -> None:
    from crun_py import __version__

    assert engine.ok("--version") == f"crunpy version {__version__}"
    assert ["Version:", __version__] in [line.split() for line in engine.ok("version").split("\n")]
    assert engine.ok("version", "--format", "{{.Client.Version}}") == __version__
    engine.ok("create", "--network", "none", "busybox")
    out = engine.ok("info")
    assert "Containers: 1" in out and " Stopped: 1" in out and f"Root Dir: {engine.root}" in out
    images = len(set(engine.ok("images", "-q").split()))
    assert engine.ok("info", "--format", "{{.Containers}} {{.Images}}") == f"1 {images}"


def test_the_installed_script() -> None:
    command = [sys.executable, CHECKOUT / "bin/crunpy", "--version"]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0 and done.stdout.startswith("crunpy version ") and not done.stderr


def test_help(engine: Engine) -> None:
    out = engine.ok("--help")
    for verb in "run exec ps start stop rm logs pull images rmi inspect kill wait create".split():
        assert f" {verb} " in out
    out = engine.ok("run", "--help")
    for option in ("--detach", "--publish", "--volume", "--read-only", "--security-opt", "--init"):
        assert option in out
    assert engine.ok("container", "rm", "--help") and engine.run().code == 0


def test_interrupted_pull_leaves_a_good_store(engine: Engine) -> None:
    process = engine.popen("pull", "-q", "nginx")
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) in (0, 130, -2)
    assert b"Traceback" not in process.stderr.read()
    assert engine.run("images").code == 0
    engine.run("rmi", "nginx")


def test_version_names_the_commit(root: Engine) -> None:
    import subprocess

    from engine import CHECKOUT

    known = subprocess.run(["git", "-C", CHECKOUT, "log", "--format=%h", "-500"],
                           capture_output=True, text=True).stdout.split()  # fmt: skip
    assert root.ok("version", "-f", "{{.Client.GitCommit}}") in (known or ["unknown"])
    assert "Git commit:" in root.ok("version")
    assert root.ok("version", "-f", "{{.Server.MinAPIVersion}} {{.Server.Platform.Name}}")
