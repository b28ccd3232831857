"""docker-compose 1.29, through the service and by `crunpy compose`; podman-compose over the
command."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from api_service import Served
from engine import Engine, free_port, wait_for

FILE = """
version: "2.4"
services:
  db:
    image: busybox
    command: sh -c 'mkdir -p /data && sleep 1 && touch /data/ready && exec sleep 1000'
    stop_signal: SIGKILL
    volumes: ["data:/data"]
    networks: [back]
    healthcheck:
      test: ["CMD", "test", "-e", "/data/ready"]
      interval: 1s
      retries: 30
  api:
    build:
      context: .
      args: {{WORD: built}}
      network: none
    stop_signal: SIGKILL
    environment: {{GREETING: "${{GREETING:-hi}}"}}
    depends_on:
      db: {{condition: service_healthy}}
    networks: {{back: {{}}, front: {{aliases: [www]}}}}
    volumes: ["data:/data:ro"]
    ports: ["127.0.0.1:{port}:80"]
  tool:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    networks: [front]
networks:
  back: {{}}
  front: {{}}
volumes:
  data: {{}}
"""
DOCKERFILE = """FROM busybox
ARG WORD
RUN mkdir /www && echo $WORD >/www/index.html
CMD sh -c 'ls /data >/www/data; echo $GREETING >/www/greeting; exec httpd -f -h /www -p 80'
"""


class Compose:
    """A project in a directory, and a program that brings it up."""

    def __init__(self, command: list[str], directory: Path, env: dict[str, str]) -> None:
        self.command, self.directory, self.env = command, directory, env
        self.port = free_port()
        (directory / "docker-compose.yml").write_text(FILE.format(port=self.port))
        (directory / "Dockerfile").write_text(DOCKERFILE)
        (directory / ".env").write_text("GREETING=hello\n")

    def ok(self, *args: str) -> str:
        done = subprocess.run(
            [*self.command, *args], cwd=self.directory, env=self.env, capture_output=True,
            text=True, timeout=110, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def fetch(self, path: str) -> str:
        done = subprocess.run(
            ["curl", "-s", f"http://127.0.0.1:{self.port}/{path}"], capture_output=True, text=True
        )
        return done.stdout.strip()


def test_docker_compose(served: Served, tmp_path: Path) -> None:
    directory = tmp_path / f"p{os.getpid()}"
    directory.mkdir()
    compose = Compose(["/usr/bin/docker-compose"], directory, {
        "DOCKER_HOST": f"unix://{served.path}", "HOME": str(tmp_path), "PATH": os.environ["PATH"],
    })  # fmt: skip
    ok = compose.ok
    ok("build")
    try:
        ok("up", "-d")
        wait_for(lambda: compose.fetch("index.html") == "built")
        assert compose.fetch("data") == "ready", "db was healthy before api began"
        assert compose.fetch("greeting") == "hello"
        assert ok("ps").count("   Up") == 3
        assert ok("exec", "-T", "tool", "wget", "-qO-", "http://www/index.html") == "built"
        assert ok("run", "--rm", "-T", "tool", "wget", "-qO-", "http://api/index.html") == "built"
        ok("up", "-d", "--scale", "tool=2", "--no-recreate")
        assert len(ok("ps", "-q", "tool").split()) == 2
        assert ok("top", "db") and ok("port", "api", "80") == f"127.0.0.1:{compose.port}"
        assert ok("logs", "--no-color", "db").startswith("Attaching to")
        ok("restart", "-t", "0", "api")
        wait_for(lambda: compose.fetch("index.html") == "built")
        if not served.engine.rootless:  # who has no cgroup of his own can stop no clock
            ok("pause", "tool")
            ok("unpause", "tool")
        ok("stop", "-t", "0")
        ok("start")
        ok("kill", "tool")
    finally:
        ok("down", "-v", "--rmi", "local", "-t", "0")
    assert served.engine.ok("ps", "-aq") == ""
    assert served.ask("GET", "/volumes")[1]["Volumes"] == []


def test_crunpy_compose(engine: Engine, tmp_path: Path) -> None:
    """The command finds docker-compose, and gives it a service that ends with it."""
    directory = engine.home / f"c{os.getpid()}"
    directory.mkdir()
    (directory / "compose.yml").write_text(
        "services:\n  one:\n    image: busybox\n    command: sleep 1000\n"
        "    network_mode: none\n    stop_signal: SIGKILL\n"
    )
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", directory], check=True)
    file = ("-f", directory / "compose.yml")
    assert engine.run("compose", *file, "up", "-d").code == 0
    assert "one" in engine.ok("ps", "--format", "{{.Names}}")
    assert engine.ok("compose", *file, "exec", "-T", "one", "echo", "inside") == "inside"
    assert engine.run("compose", *file, "exec", "-T", "one", "sh", "-c", "exit 7").code == 7
    assert "Define and run multi-container applications" in engine.ok("compose", "--help")
    assert engine.run("compose", *file, "down").code == 0
    assert engine.ok("ps", "-aq") == ""
    assert not [line for line in engine.processes() if "service" in line]
    message = engine.fails("compose", "up", env={"CRUNPY_COMPOSE_PROVIDER": "nothing-of-this-name"})
    assert message.startswith("compose: none of nothing-of-this-name is installed")
    conf = directory / "containers.conf"
    conf.write_text('[engine]\ncompose_providers = ["/bin/echo"]\n')
    assert engine.ok("compose", "a", "-b", env={"CONTAINERS_CONF": str(conf)}) == "a -b"
    shutil.rmtree(directory)


def test_podman_compose(engine: Engine, tmp_path: Path) -> None:
    """It runs the command itself, as it would run podman."""
    directory = Path(engine.home) / f"q{os.getpid()}"
    directory.mkdir()
    command = directory / "podman"
    env: dict[str, str | None] = {"CRUNPY_AS": "podman"}  # as a link of this name has it
    command.write_text("#!/bin/sh\nexec " + shlex.join(engine.command(env=env)) + ' "$@"\n')
    command.chmod(0o755)
    compose = Compose(
        [sys.executable, "-m", "podman_compose", "--podman-path", str(command)],
        directory,
        {"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    if engine.user:
        subprocess.run(["chown", "-R", f"{engine.user}:", directory], check=True)
    ok = compose.ok
    ok("build")
    try:
        ok("up", "-d")
        wait_for(lambda: compose.fetch("index.html") == "built")
        assert compose.fetch("data") == "ready", "db was healthy before api began"
        assert compose.fetch("greeting") == "hello"
        assert ok("exec", "-T", "tool", "wget", "-qO-", "http://www/index.html") == "built"
        assert ok("run", "--rm", "-T", "tool", "wget", "-qO-", "http://api/index.html") == "built"
        assert "db" in ok("ps")
        assert engine.ok("pod", "ps", "--format", "{{.Name}} {{.Status}}") == (
            f"pod_q{os.getpid()} Running"
        )
        ok("logs", "db")
        ok("restart", "-t", "0", "api")
        wait_for(lambda: compose.fetch("index.html") == "built")
        ok("stop", "-t", "0")
        ok("start")
    finally:
        ok("down", "-v", "-t", "0")
    assert engine.ok("ps", "-aq") == "" and engine.ok("volume", "ls", "-q") == ""
    assert engine.ok("pod", "ps", "-q") == ""
    engine.ok("rmi", "-f", f"localhost/q{os.getpid()}_api")
