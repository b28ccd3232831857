"""The client of a real dockerd."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker_daemon import Daemon, docker_daemon
from engine import Engine, wait_for
from far import Far

NONE = ("--network", "none")


@pytest.fixture(scope="module")
def daemon(base: Path) -> Iterator[Daemon]:
    with docker_daemon(base / "dockerd") as found:
        yield found


@pytest.fixture
def dockerd(daemon: Daemon, root: Engine) -> Iterator[Far]:
    """The root engine's command with the daemon behind it, which has busybox."""
    archive = root.home / "busybox.tar"
    root.ok("save", "-o", archive, "busybox")
    far = Far(root, daemon.host)
    assert far.ok("load", "-i", archive) == "Loaded image: busybox:latest"
    archive.unlink()
    yield far
    far.run("rm", "-af")


def docker(daemon: Daemon, *args: object) -> str:
    done = subprocess.run([*daemon.command, *map(str, args)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_told_is_what_docker_tells(dockerd: Far, daemon: Daemon) -> None:
    dockerd.ok("run", "-d", "--name", "up", "--label", "a=b", *NONE, "busybox", "sleep", "1000")
    dockerd.ok("create", "--name", "new", *NONE, "busybox", "sh", "-c", "exit 3")
    for args in (
        ("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Image}} {{.Command}} {{.Names}}"),
        ("ps", "-aq", "--filter", "label=a=b"),
        ("ps", "-a", "--format", "{{.Labels}} {{.Networks}} {{.Mounts}} {{.CreatedAt}}"),
        ("images", "--no-trunc", "--format", "{{.Repository}} {{.Tag}} {{.ID}} {{.Size}}"),
        ("history", "-q", "busybox"),
        ("inspect", "-f", "{{.Name}} {{.State.Status}} {{json .Config.Labels}}", "up", "new"),
        ("network", "ls", "--format", "{{.ID}} {{.Name}} {{.Driver}} {{.Scope}}"),
        ("volume", "ls", "-q"),
        ("version", "-f", "{{.Server.Version}} {{.Server.Os}}"),
        ("info", "-f", "{{.ServerVersion}} {{.Driver}} {{.ContainersRunning}}"),
        ("port", "up"), ("diff", "up"),
    ):  # fmt: skip
        assert dockerd.ok(*args) == docker(daemon, *args).rstrip("\n"), args
    here, there = (json.loads(text)[0] for text in (
        dockerd.ok("inspect", "up"), docker(daemon, "inspect", "up")))  # fmt: skip
    assert here == there
    assert "sleep" in dockerd.ok("top", "up")
    table = dockerd.ok("ps")
    assert table.startswith("CONTAINER ID   IMAGE     COMMAND") and "Up" in table
    row = dockerd.ok("stats", "--no-stream", "--format", "{{.Name}}", "up")
    assert row == "up"
    assert dockerd.ok("system", "df").splitlines()[1].split()[:2] == ["Images", "1"]
    assert "Server: Docker" in dockerd.ok("version")


def test_lives(dockerd: Far) -> None:
    run = ("run", "--rm", *NONE)
    done = dockerd.run(*run, "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.out, done.err, done.code) == ("out\n", "err\n", 7)
    assert dockerd.run(*run, "-i", "busybox", "cat", input="x" * 300_000).out == "x" * 300_000
    assert dockerd.run(*run, "busybox", "nosuch").code == 127
    assert dockerd.run(*run, "busybox", "/etc").code == 126
    dockerd.ok("run", "-d", "--name", "cc", *NONE, "-v", "/data", "--tmpfs", "/t",
               "--init", "busybox", "sh", "-c", "echo one; sleep 1000")  # fmt: skip
    wait_for(lambda: dockerd.ok("logs", "cc") == "one")
    done = dockerd.run(
        "exec", "-i", "-e", "A=1", "cc", "sh", "-c", "cat; echo $A; exit 4", input="in "
    )
    assert (done.out, done.code) == ("in 1\n", 4)
    for words in (
        "pause cc",
        "unpause cc",
        "stop -t0 cc",
        "start cc",
        "restart -t0 cc",
        "rename cc dd",
    ):
        dockerd.ok(*words.split())
    assert dockerd.ok("kill", "dd") == "dd" and dockerd.ok("wait", "dd") == "137"
    assert "no such container" in dockerd.fails("inspect", "--type", "container", "cc").lower()
    assert "is already in use" in dockerd.run("create", "--name", "dd", "busybox").err
    assert dockerd.ok("rm", "-v", "dd") == "dd"
    terminal = dockerd.engine.pty(*dockerd.words("run", "-it", *run[1:], "busybox", "sh"), rows=31)
    terminal.until("/ # ")
    terminal.write("stty size; exit 5\n")
    terminal.until("31 80")
    assert terminal.wait() == 5
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    process: Any = dockerd.engine.popen(*dockerd.words(*run, "busybox", "sh", "-c", script))
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 9


def test_files_builds_and_images(dockerd: Far, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("content")
    dockerd.ok("run", "-d", "--name", "cc", *NONE, "busybox", "sleep", "1000")
    dockerd.ok("cp", tmp_path / "f", "cc:/tmp/g")
    dockerd.ok("cp", "cc:/tmp/g", tmp_path / "h")
    dockerd.ok("cp", "cc:/tmp/.", tmp_path)
    assert (tmp_path / "h").read_text() == (tmp_path / "g").read_text() == "content"
    assert dockerd.ok("commit", "cc", "made:1").startswith("sha256:")
    (tmp_path / "Dockerfile").write_text("FROM made:1\nCOPY f /f\nRUN cat /f /tmp/g > /both\n")
    said = dockerd.ok("build", "-t", "b:1", "--network", "none", tmp_path)
    assert "Successfully tagged b:1" in said
    assert dockerd.ok("run", "--rm", *NONE, "b:1", "cat", "/both") == "contentcontent"
    dockerd.ok("tag", "b:1", "b:2")
    assert "Untagged: b:2" in dockerd.ok("rmi", "b:2")
    assert dockerd.run("build", "-", input="FROM busybox\nRUN exit 3\n").code == 3
    assert dockerd.run("save", "b:1").raw[:5]
    dockerd.ok("network", "create", "nn")
    dockerd.ok("network", "rm", "nn")
    dockerd.ok("volume", "create", "vv")
    assert dockerd.ok("volume", "rm", "vv") == "vv"
    dockerd.ok("rm", "-f", "cc")
    assert "Total reclaimed space" in dockerd.ok("system", "prune", "-f")
    dockerd.ok("rmi", "-f", "b:1", "made:1")
