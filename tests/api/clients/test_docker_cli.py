"""docker's own command line, unchanged, through the service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_service import Served
from engine import Pty, free_port, wait_for

PROGRAMS = [p for p in ("/usr/bin/docker", "/usr/local/bin/docker") if os.path.exists(p)]
"""Debian's, and a newer one where it is installed."""


class Docker:
    """A docker command whose engine is a service of ours."""

    def __init__(self, program: str, served: Served, home: Path) -> None:
        self.program, self.served = program, served
        self.env = {
            "DOCKER_HOST": f"unix://{served.path}", "HOME": str(home), "PATH": os.environ["PATH"],
            "DOCKER_BUILDKIT": "0", "TERM": "xterm",
        }  # fmt: skip

    def run(
        self, *args: object, input: bytes = b"", **more: Any
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.program, *map(str, args)], env=self.env, input=input, capture_output=True,
            timeout=60, **more,
        )  # fmt: skip
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def ok(self, *args: object, **more: Any) -> str:
        done = self.run(*args, **more)
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def fails(self, *args: object, code: int = 1, **more: Any) -> str:
        done = self.run(*args, **more)
        assert done.returncode == code, f"{args}: {done}"
        return done.stderr

    def pty(self, *args: object) -> Pty:
        made = Pty([self.program, *map(str, args)], self.env)
        self.served.engine.started.append(made)
        return made


@pytest.fixture(params=PROGRAMS)
def docker(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Iterator[Docker]:
    made = Docker(request.param, served, tmp_path)
    yield made
    served.engine.run("rm", "-f", "-a", "-v")


NO_NET = ("--network", "none")


def test_what_it_says_of_itself(docker: Docker) -> None:
    version = json.loads(docker.ok("version", "--format", "{{json .Server}}"))
    assert version["Platform"]["Name"] == "crunpy" and version["ApiVersion"] == "1.52"
    about = json.loads(docker.ok("info", "--format", "{{json .}}"))
    assert about["Images"] == 1 and about["DockerRootDir"] == str(docker.served.engine.root)
    assert "Server:" in docker.ok("info")
    assert "Images" in docker.ok("system", "df") and docker.ok("system", "df", "-v")


def test_run_and_everyday_verbs(docker: Docker, tmp_path: Path) -> None:
    assert docker.ok("run", "--rm", *NO_NET, "busybox", "echo", "hi") == "hi"
    assert docker.run("run", "--rm", *NO_NET, "busybox", "sh", "-c", "exit 7").returncode == 7
    assert docker.run("run", "--rm", *NO_NET, "busybox", "nosuch").returncode == 127
    assert docker.ok("run", "--rm", "-i", *NO_NET, "busybox", "cat", input=b"typed") == "typed"
    name = docker.ok("run", "-d", "--name", "web", "-e", "A=b", *NO_NET, "busybox", "sh", "-c",
                     "echo begun; trap exit TERM; while :; do sleep 0.1; done")  # fmt: skip
    assert re.fullmatch("[0-9a-f]{64}", name)
    row = docker.ok("ps", "--format", "{{.ID}} {{.Image}} {{.Names}} {{.Status}}").split(" ", 3)
    assert row[:3] == [name[:12], "busybox", "web"] and row[3].startswith("Up ")
    wait_for(lambda: docker.ok("logs", "web") == "begun")
    assert docker.ok("logs", "-t", "--since", "1h", "--tail", "1", "web").endswith("Z begun")
    assert docker.ok("exec", "web", "sh", "-c", "echo $A") == "b"
    assert docker.run("exec", "web", "sh", "-c", "exit 5").returncode == 5
    assert docker.ok("exec", "-i", "web", "cat", input=b"in") == "in"
    assert "sleep" in docker.ok("top", "web")
    (tmp_path / "file").write_text("content")
    docker.ok("cp", tmp_path / "file", "web:/tmp/copied")
    docker.ok("cp", "web:/tmp/copied", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "content"
    packed = docker.run("cp", "web:/tmp/copied", "-").stdout
    assert "content" in packed
    assert "A /tmp/copied" in docker.ok("diff", "web")
    assert docker.ok("inspect", "-f", "{{.State.Running}} {{.Config.Hostname}}", "web") == (
        f"true {name[:12]}"
    )
    assert docker.ok("port", "web") == ""
    assert "web" in docker.ok("stats", "--no-stream")
    docker.ok("rename", "web", "other")
    assert docker.ok("update", "--restart", "no", "other") == "other"
    assert "is running" in docker.fails("rm", "other")
    assert docker.ok("stop", "-t", "5", "other") == "other"
    assert docker.ok("wait", "other") in ("0", "143")
    assert docker.ok("start", "other") == "other"
    assert docker.ok("kill", "other") == "other"
    assert docker.ok("rm", "other") == "other"


def test_a_terminal_resized_and_detached(docker: Docker) -> None:
    shell = docker.pty("run", "-it", "--name", "term", *NO_NET, "busybox", "sh")
    shell.until("/ # ")
    time.sleep(1)  # docker looks for changes of the size only now
    shell.size(40, 100)
    time.sleep(0.5)
    shell.write("stty size\r")
    shell.until("40 100")
    shell.write("\x10\x11")
    assert shell.wait() == 0
    assert docker.ok("ps", "-q", "-f", "name=term")
    again = docker.pty("attach", "term")
    again.write("echo aga''in\r")
    again.until("again")
    again.write("exit 6\r")
    assert again.wait() == 6
    docker.ok("start", "term")
    inside = docker.pty("exec", "-it", "term", "sh")
    inside.until("/ # ")
    time.sleep(1)
    inside.size(30, 90)
    time.sleep(0.5)
    inside.write("stty size; exit 3\r")
    inside.until("30 90")
    assert inside.wait() == 3


def test_logs_and_events_that_follow(docker: Docker) -> None:
    docker.ok("run", "-d", "--name", "talks", *NO_NET, "busybox", "sh", "-c",
              "for i in 1 2 3; do echo $i; sleep 0.2; done; echo err >&2")  # fmt: skip
    done = docker.run("logs", "-f", "talks")
    assert done.stdout == "1\n2\n3\n" and done.stderr == "err\n"
    docker.ok("wait", "talks")
    now = time.time()
    found = docker.ok("events", "--since", f"{now - 60:.0f}", "--until", f"{now + 1:.3f}",
                      "-f", "container=talks",
                      "--format", "{{.Action}}")  # fmt: skip
    assert found.split("\n")[:2] == ["create", "start"] and "die" in found


def test_images_of_all_kinds(docker: Docker, tmp_path: Path) -> None:
    registry = docker.served.engine.registry
    name = f"{registry}/cli/{os.path.basename(os.path.dirname(docker.program))}:1"
    docker.ok("tag", "busybox", name)
    assert "digest: sha256:" in docker.ok("push", name)
    docker.ok("rmi", name)
    said = docker.ok("pull", name)
    assert "Digest: sha256:" in said and "Status: " in said
    assert "manifest unknown" in docker.fails("pull", f"{registry}/cli/nothing:1")
    docker.ok("save", "-o", tmp_path / "saved.tar", name)
    docker.ok("rmi", name)
    assert f"Loaded image: {name}" in docker.ok("load", "-i", tmp_path / "saved.tar")
    assert name.rpartition(":")[0] in docker.ok("images")
    assert docker.ok("images", "-q", "--no-trunc", name) == docker.ok(
        "image", "inspect", "-f", "{{.Id}}", name
    )
    assert docker.ok("history", "-q", name)
    made = docker.ok("create", *NO_NET, name, "true")
    with (tmp_path / "tree.tar").open("wb") as out:
        out.write(subprocess.run([docker.program, "export", made], env=docker.env, check=True,
                                 capture_output=True).stdout)  # fmt: skip
    with tarfile.open(tmp_path / "tree.tar") as archive:
        assert "bin/busybox" in archive.getnames()
    assert docker.ok("import", "-c", 'CMD ["true"]', tmp_path / "tree.tar", "imported:1")
    assert docker.ok("commit", "-m", "message", made, "committed:1").startswith("sha256:")
    docker.ok("rm", made)
    docker.ok("rmi", name, "imported:1", "committed:1")
    assert "Total reclaimed space" in docker.ok("image", "prune", "-f")


def test_build(docker: Docker, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").write_text("hello")
    (context / ".dockerignore").write_text("ignored\n")
    (context / "ignored").write_text("x")
    (context / "Dockerfile").write_text(
        "FROM busybox AS base\nARG A=x\nRUN echo $A >/a\nFROM base\nCOPY . /c/\n"
        'LABEL l=m\nCMD ["cat", "/a", "/c/file"]\n'
    )
    said = docker.ok("build", "--network", "none", "--build-arg", "A=arg", "-t", "built:1", context)
    assert "Successfully tagged built:1" in said
    assert docker.ok("run", "--rm", *NO_NET, "built:1") == "arg\nhello"
    assert docker.ok("run", "--rm", *NO_NET, "built:1", "ls", "/c") == "Dockerfile\nfile"
    said = docker.ok("build", "--network", "none", "--build-arg", "A=arg", "-t", "built:1", context)
    assert "Using cache" in said
    (context / "Dockerfile").write_text("FROM busybox\nRUN exit 9\n")
    assert "RUN exit 9" in docker.fails("build", "--network", "none", context, code=9)
    docker.ok("rmi", "built:1")
    docker.ok("builder", "prune", "-f")


def test_networks_volumes_and_ports(docker: Docker) -> None:
    tag = str(os.getpid())
    docker.ok("network", "create", "--subnet", f"198.18.{int(tag) % 250}.0/24", "n" + tag)
    docker.ok("volume", "create", "v" + tag)
    port = free_port()
    docker.ok("run", "-d", "--name", "srv", "--network", "n" + tag, "--network-alias", "alias",
              "-p", f"127.0.0.1:{port}:80", "-v", f"v{tag}:/www", "busybox", "sh", "-c",
              "echo served >/www/index.html; httpd -f -h /www -p 80")  # fmt: skip
    assert docker.ok("port", "srv", "80") == f"127.0.0.1:{port}"

    def fetched() -> bool:
        done = subprocess.run(["curl", "-s", f"http://127.0.0.1:{port}/"], capture_output=True)
        return done.stdout == b"served\n"

    wait_for(fetched)
    assert docker.ok("run", "--rm", "--network", "n" + tag, "busybox", "wget", "-qO-",
                     "http://alias/") == "served"  # fmt: skip
    docker.ok("network", "disconnect", "n" + tag, "srv")
    docker.ok("network", "connect", "--alias", "again", "n" + tag, "srv")
    assert "again" in docker.ok("inspect", "srv")
    assert "srv" in docker.ok("network", "inspect", "n" + tag)
    docker.ok("rm", "-f", "srv")
    docker.ok("network", "rm", "n" + tag)
    assert "v" + tag in docker.ok("volume", "ls", "-q")
    docker.ok("volume", "rm", "v" + tag)
    assert "Total reclaimed space" in docker.ok("system", "prune", "-f", "--volumes")


def test_health_is_told(docker: Docker) -> None:
    docker.ok("run", "-d", "--name", "well", *NO_NET, "--health-cmd", "true",
              "--health-interval", "1s", "busybox", "sleep", "1000")  # fmt: skip
    wait_for(lambda: docker.ok("inspect", "-f", "{{.State.Health.Status}}", "well") == "healthy")
    assert "(healthy)" in docker.ok("ps", "--format", "{{.Status}}")
