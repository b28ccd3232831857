"""Node's clients of Docker's API, unchanged: dockerode, Testcontainers, the dev containers'
command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from api_service import Served
from engine import CHECKOUT

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def modules() -> Path:
    """The directory in which `make test` has installed the packages (tools/node-packages)."""
    directory = CHECKOUT / ".cache/node"
    assert (directory / ".installed").exists(), "make .cache/node/.installed"
    return directory


def node(modules: Path, served: Served, script: str, **env: str) -> dict[str, str]:
    """The lines that a script prints, by their first words."""
    text = (HERE / script).read_text()
    done = subprocess.run(
        ["node", "--input-type=module"], input=text, cwd=modules, capture_output=True, text=True,
        timeout=110, env={"DOCKER_HOST": f"unix://{served.path}", "PATH": os.environ["PATH"],
                          "HOME": str(served.engine.run_root), **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    pairs = [line.partition(" ") for line in done.stdout.splitlines()]
    return {name: rest for name, _, rest in pairs}


def test_dockerode(modules: Path, served: Served) -> None:
    assert node(modules, served, "dockerode.mjs") == {
        "run": "3 out err", "exec": "typed 0", "list": "1 running", "stats": "true",
        "wait": "137", "pull": "1", "missing": "404",
    }  # fmt: skip


def test_testcontainers_for_node(modules: Path, served: Served) -> None:
    found = node(modules, served, "containers.mjs", TESTCONTAINERS_RYUK_DISABLED="true",
                 TESTCONTAINERS_HOST_OVERRIDE="127.0.0.1")  # fmt: skip
    assert found == {"http": "hello", "exec": "0 inside", "copy": "copied"}
    assert served.engine.ok("ps", "-aq") == ""


class DevContainer:
    """A workspace with a dev container, and the command for it."""

    def __init__(self, modules: Path, served: Served, home: Path, **files: str) -> None:
        self.served, self._program = served, modules / "node_modules/.bin/devcontainer"
        self.folder = served.engine.home / f"d{os.getpid()}"
        (self.folder / ".devcontainer").mkdir(parents=True)
        (self.folder / "file").write_text("of the workspace")
        for name, text in files.items():
            (self.folder / ".devcontainer" / name.replace("_", ".")).write_text(text)
        if served.engine.user:
            subprocess.run(["chown", "-R", f"{served.engine.user}:", self.folder], check=True)
        self._env = {"DOCKER_HOST": f"unix://{served.path}", "PATH": os.environ["PATH"],
                     "HOME": str(home), "TMPDIR": str(home), "DOCKER_BUILDKIT": "0"}  # fmt: skip

    def run(self, verb: str, *args: str) -> str:
        done = subprocess.run(
            [self._program, verb, "--workspace-folder", str(self.folder), *args],
            env=self._env, capture_output=True, text=True, timeout=110,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self) -> str:
        """The id of the container."""
        said = json.loads(self.run("up", "--buildkit", "never").strip().splitlines()[-1])
        assert said["outcome"] == "success"
        return str(said["containerId"])

    def end(self) -> None:
        engine = self.served.engine
        engine.ok("rm", "-f", "-a", "-v")
        made = engine.ok("images", "-q", "-f", "reference=vsc-*").split()
        if made:
            engine.ok("rmi", "-f", *made)
        engine.ok("network", "prune", "-f")
        shutil.rmtree(self.folder)


def test_devcontainer_of_a_dockerfile(modules: Path, served: Served, tmp_path: Path) -> None:
    about = {
        "build": {"dockerfile": "Dockerfile", "options": ["--network=none"]},
        "runArgs": ["--network=none"], "updateRemoteUserUID": False,
        "postCreateCommand": "touch /created",
    }  # fmt: skip
    dev = DevContainer(modules, served, tmp_path, Dockerfile="FROM busybox\nRUN echo made >/made\n",
                       devcontainer_json=json.dumps(about))  # fmt: skip
    assert dev.up() == served.engine.ok("ps", "-q", "--no-trunc")
    found = dev.run("exec", "sh", "-c", "cat file /made; ls /created")
    assert found == "of the workspacemade\n/created\n"
    dev.end()


COMPOSE = """
services:
  app:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    volumes: ["..:/work"]
    depends_on: [db]
  db:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
"""


def test_devcontainer_of_a_compose_file(modules: Path, served: Served, tmp_path: Path) -> None:
    about = {
        "dockerComposeFile": "compose.yml", "service": "app", "workspaceFolder": "/work",
        "updateRemoteUserUID": False, "overrideCommand": False,
    }  # fmt: skip
    dev = DevContainer(modules, served, tmp_path, compose_yml=COMPOSE,
                       devcontainer_json=json.dumps(about))  # fmt: skip
    dev.up()
    assert dev.run("exec", "sh", "-c", "cat file; ping -c1 -w5 db >/dev/null && echo there") == (
        "of the workspacethere\n"
    )
    assert len(served.engine.ok("ps", "-q").split()) == 2
    dev.end()
