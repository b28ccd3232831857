"""Engines that users have, with our runtime in the place of theirs: podman (root and plain user),
Docker."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containerd_daemon import containerd
from docker_daemon import docker_daemon
from engine import REACHABLE, wait_for
from oci_bundles import OURS, Bundle

RUNTIME = REACHABLE / ".venv/bin/crunpy-oci"
CONFIGURATION = """
[containers]
pids_limit = 0
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
runtime_supports_json = ["crunpy-oci"]
events_logger = "file"
"""
"""What this machine's lack of limits wants of podman, with whatever runtime."""


class Caller:
    """An engine's command line."""

    def __init__(self, command: list[str], image: str, run: list[str]) -> None:
        self.command, self.image, self.run_words = command, image, run

    def call(self, *words: object, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=60, **more,
        )  # fmt: skip

    def ok(self, *words: object) -> str:
        done = self.call(*words)
        assert done.returncode == 0, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
        return str(done.stdout).strip()

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self.call(*self.run_words, *words)


@pytest.fixture(params=["root", "user"])
def podman(
    request: pytest.FixtureRequest, bundle: Bundle, base: Path, user_name: str
) -> Iterator[Caller]:
    home = base / f"podman-{request.param}"
    for path in (home, home / "xdg"):
        path.mkdir(mode=0o700)
    (home / "containers.conf").write_text(CONFIGURATION)
    become = []
    if request.param == "user":
        subprocess.run(["chown", "-R", f"{user_name}:", home], check=True)
        become = ["setpriv", "--reuid", user_name, "--regid", user_name, "--clear-groups"]
    environment = [f"HOME={home}", f"XDG_RUNTIME_DIR={home}/xdg", f"PATH={os.environ['PATH']}",
                   f"CONTAINERS_CONF={home}/containers.conf"]  # fmt: skip
    command = [*become, "env", "-i", *environment, "podman", "--root", f"{home}/root",
               "--runroot", f"{home}/xdg/run", "--tmpdir", f"{home}/xdg/tmp",
               "--storage-driver", "vfs",
               "--runtime", str(RUNTIME)]  # fmt: skip
    archive = bundle.path / "root.tar"
    subprocess.run(["tar", "-C", bundle.rootfs, "-cf", archive, "."], check=True)
    archive.chmod(0o644)
    bundle.path.chmod(0o755)
    caller = Caller(command, "bb", ["run", "--rm", "--network", "none"])
    caller.ok("import", archive, "bb")
    yield caller
    caller.call("rm", "-fa", "-t0")
    caller.call("system", "reset", "-f")
    subprocess.run(["pkill", "-f", f"{home}/xdg/run"], check=False)
    shutil.rmtree(home, ignore_errors=True)


def test_podman(podman: Caller) -> None:
    assert podman.run("bb", "id", "-u").stdout == "0\n"
    assert podman.run("bb", "sh", "-c", "exit 7").returncode == 7
    done = podman.run("bb", "/bin/nothere")
    assert done.returncode == 127 and "/bin/nothere" in done.stderr
    assert podman.run("bb", "/tmp").returncode == 126
    assert podman.run("--user", "5:6", "bb", "id").stdout.startswith("uid=5 gid=6")
    assert podman.run("--read-only", "-v", f"{REACHABLE}:/here:ro", "bb", "sh", "-c",
                      "touch /x /here/x; ls /here/crun_py/errors.py").returncode == 0  # fmt: skip
    podman.ok("run", "-d", "--name", "long", "--network", "none", "--init=false", "bb",
              "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done")  # fmt: skip
    assert podman.ok("exec", "long", "id", "-u") == "0"
    assert podman.call("exec", "long", "sh", "-c", "exit 3").returncode == 3
    assert podman.call("exec", "long", "nothere").returncode == 127
    assert podman.ok("exec", "-t", "long", "tty") == "/dev/pts/0"
    assert "sleep 0.05" in podman.ok("top", "long") or "sh -c" in podman.ok("top", "long")
    assert podman.ok("inspect", "-f", "{{.State.Status}}", "long") == "running"
    podman.ok("stop", "-t", "20", "long")
    assert podman.ok("inspect", "-f", "{{.State.ExitCode}}", "long") == "5"
    podman.ok("start", "long")
    podman.ok("kill", "long")
    podman.ok("rm", "-f", "-t0", "long")


def test_health_and_pods_of_podman(podman: Caller) -> None:
    podman.ok("run", "-d", "--name", "well", "--network", "none", "--health-cmd", "test -e /tmp/ok",
              "--health-interval", "disable", "bb", "sleep", "1000")  # fmt: skip
    assert podman.call("healthcheck", "run", "well").returncode == 1
    podman.ok("exec", "well", "touch", "/tmp/ok")
    assert podman.call("healthcheck", "run", "well").returncode == 0
    assert podman.run("--pid", "container:well", "bb", "ps").stdout.count("sleep 1000") == 1


@pytest.fixture(scope="module")
def docker(base: Path) -> Iterator[Caller]:
    with docker_daemon(
        base / "dockerd-oci", "--add-runtime", f"crunpy={OURS}", "--iptables=false",
        "--bridge=none", "--default-ulimit", "nofile=1024:1024",
    ) as daemon:  # fmt: skip
        yield Caller(daemon.command, "bb",
                     ["run", "--rm", "--runtime", "crunpy", "--network", "none"])  # fmt: skip


def test_docker(docker: Caller, bundle: Bundle) -> None:
    archive = bundle.path / "root.tar"
    subprocess.run(["tar", "-C", bundle.rootfs, "-cf", archive, "."], check=True)
    docker.ok("import", archive, "bb")
    assert docker.run("bb", "id", "-u").stdout == "0\n"
    assert docker.run("bb", "sh", "-c", "exit 7").returncode == 7
    assert docker.run("bb", "/bin/nothere").returncode == 127
    assert "x" in docker.run("--privileged", "bb", "sh", "-c", "echo x").stdout
    assert "denied" in docker.run("--cap-drop", "ALL", "--user", "5", "bb", "touch", "/x").stderr
    docker.ok("run", "-d", "--name", "long", "--runtime", "crunpy", "--network", "none", "bb",
              "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done")  # fmt: skip
    assert docker.ok("exec", "long", "id", "-u") == "0"
    assert docker.call("exec", "long", "sh", "-c", "exit 3").returncode == 3
    assert docker.call("exec", "long", "nothere").returncode in (126, 127)
    assert "sh -c" in docker.ok("top", "long")
    docker.ok("pause", "long")
    assert "(Paused)" in docker.ok("ps", "--format", "{{.Status}}")
    docker.ok("unpause", "long")
    docker.ok("stop", "-t", "20", "long")
    assert docker.ok("inspect", "-f", "{{.State.ExitCode}}", "long") == "5"
    docker.ok("rm", "long")


def test_buildah(bundle: Bundle, base: Path) -> None:
    """RUN of its builds, and `buildah run`."""
    place = base / "oci-buildah"
    place.mkdir(mode=0o700)
    (place / "containers.conf").write_text(CONFIGURATION)
    command = ["env", f"CONTAINERS_CONF={place}/containers.conf", "buildah", "--storage-driver",
               "vfs", "--root", f"{place}/root", "--runroot", f"{place}/run"]  # fmt: skip
    buildah = Caller(command, "", [])
    made = buildah.ok("from", "scratch")
    shutil.copytree(bundle.rootfs, buildah.ok("mount", made), symlinks=True, dirs_exist_ok=True)
    run = ("run", "--runtime", OURS, "--network", "none", made, "--")
    assert buildah.ok(*run, "id", "-u") == "0"
    assert buildah.call(*run, "sh", "-c", "exit 4").returncode == 4
    buildah.ok("rm", made)
    shutil.rmtree(place)


@pytest.fixture
def ctr(base: Path) -> Iterator[Caller]:
    """containerd's own command."""
    place = base / "containerd"
    place.mkdir(mode=0o700)
    with containerd(place) as command:
        yield Caller(command, "", [])
    shutil.rmtree(place)


def test_containerd(ctr: Caller, bundle: Bundle) -> None:
    run, root = ("run", "--runc-binary", OURS), ("--rootfs", bundle.rootfs)
    assert ctr.ok(*run, "--rm", *root, "one", "id", "-u") == "0"
    assert ctr.call(*run, "--rm", *root, "two", "sh", "-c", "exit 6").returncode == 6
    ctr.ok(*run, "-d", *root, "three", "sleep", "1000")
    assert ctr.ok("task", "exec", "--exec-id", "e", "three", "id", "-u") == "0"
    ctr.ok("task", "pause", "three")
    assert "PAUSED" in ctr.ok("task", "ls")
    ctr.ok("task", "resume", "three")
    assert "RUNNING" in ctr.ok("task", "ls")
    ctr.ok("task", "kill", "-s", "KILL", "three")
    wait_for(lambda: "STOPPED" in ctr.ok("task", "ls"))
    ctr.ok("task", "rm", "three")
    ctr.ok("container", "rm", "three")
