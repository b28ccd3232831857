"""podman's clients, unchanged: podman --remote (Debian's), podman-py."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import podman
import pytest
from api_service import Served
from engine import Pty, free_port, wait_for

NO_NET = ("--network", "none")


class Remote:
    """podman whose engine is a service of ours."""

    def __init__(self, served: Served, home: Path) -> None:
        self.served = served
        self.command = ["/usr/bin/podman", "--remote", "--url", f"unix://{served.path}"]
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "xterm"}

    def run(self, *args: object, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self.command, *map(str, args)], env=self.env, input=input,
                              capture_output=True, timeout=60)  # fmt: skip

    def ok(self, *args: object, input: bytes = b"") -> str:
        done = self.run(*args, input=input)
        assert done.returncode == 0, f"{args}: {done}"
        return done.stdout.decode().strip()


@pytest.fixture
def remote(served: Served, tmp_path: Path) -> Iterator[Remote]:
    yield Remote(served, tmp_path)
    served.engine.run("pod", "rm", "-f", "-a")
    served.engine.run("rm", "-f", "-a", "-v")


def test_containers_of_podman_remote(remote: Remote, tmp_path: Path) -> None:
    ok = remote.ok
    assert ok("run", "--rm", *NO_NET, "busybox", "echo", "hi") == "hi"
    assert remote.run("run", "--rm", *NO_NET, "busybox", "sh", "-c", "exit 7").returncode == 7
    assert ok("run", "--rm", "-i", *NO_NET, "busybox", "cat", input=b"typed") == "typed"
    made = ok("run", "-d", "--name", "web", "-e", "A=b", "-l", "x=y", *NO_NET, "busybox", "sh",
              "-c", "echo begun; exec sleep 1000")  # fmt: skip
    (row,) = json.loads(ok("ps", "--format", "json"))
    assert row["Id"] == made and row["Names"] == ["web"] and row["State"] == "running"
    assert row["Labels"] == {"x": "y"}
    (about,) = json.loads(ok("inspect", "web"))
    assert about["Name"] == "web" and "A=b" in about["Config"]["Env"]
    wait_for(lambda: ok("logs", "web") == "begun")
    assert ok("exec", "web", "sh", "-c", "echo $A") == "b"
    assert remote.run("exec", "web", "sh", "-c", "exit 5").returncode == 5
    assert "sleep" in ok("top", "web")
    (tmp_path / "file").write_text("content")
    ok("cp", tmp_path / "file", "web:/tmp/copied")
    ok("cp", "web:/tmp/copied", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "content"
    assert "A /tmp/copied" in ok("diff", "web")
    assert remote.run("container", "exists", "nothing").returncode == 1
    ok("stop", "-t", "0", "web")
    assert ok("wait", "web") == "137"
    ok("start", "web")
    ok("kill", "web")
    wait_for(lambda: json.loads(ok("ps", "-a", "--format", "json"))[0]["State"] == "exited")
    ok("commit", "-q", "web", "committed:1")
    ok("rm", "web")
    ok("rmi", "committed:1")


def test_a_terminal_of_podman_remote(remote: Remote) -> None:
    shell = Pty([*remote.command, "run", "-it", "--name", "term", *NO_NET, "busybox", "sh"],
                remote.env)  # fmt: skip
    remote.served.engine.started.append(shell)
    shell.until("/ # ")
    shell.write("echo ty''ped; exit 4\r")
    shell.until("typed")
    assert shell.wait() == 4


def test_images_of_podman_remote(remote: Remote, tmp_path: Path) -> None:
    ok = remote.ok
    registry = remote.served.engine.registry
    name = f"{registry}/podman/pushed:1"
    ok("tag", "busybox", name)
    ok("push", "--tls-verify=false", name)
    ok("rmi", name)
    image = ok("pull", "-q", "--tls-verify=false", name)
    assert image in [row["Id"] for row in json.loads(ok("images", "--format", "json"))]
    ok("save", "-q", "-o", tmp_path / "saved.tar", name)
    ok("rmi", name)
    assert name in ok("load", "-q", "-i", tmp_path / "saved.tar")
    (about,) = json.loads(ok("image", "inspect", name))
    assert name in about["RepoTags"]
    ok("untag", name)
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo made >/made\n")
    ok("build", "-q", "--network", "none", "-t", "built:1", tmp_path)
    assert ok("run", "--rm", *NO_NET, "built:1", "cat", "/made") == "made"
    ok("rmi", "built:1")
    assert remote.run("rmi", "nothing:1").returncode == 1


def test_networks_volumes_and_secrets_of_podman_remote(remote: Remote) -> None:
    ok = remote.ok
    tag, port = str(os.getpid()), free_port()
    subnet = f"198.19.{int(tag) % 250}.0/24"
    ok("network", "create", "--subnet", subnet, "n" + tag)
    assert "n" + tag in ok("network", "ls")
    ok("volume", "create", "v" + tag)
    ok("run", "-d", "--name", "srv", "--network", "n" + tag, "--network-alias", "www",
       "-p", f"127.0.0.1:{port}:80", "-v", f"v{tag}:/www", "busybox", "sh", "-c",
       "echo served >/www/index.html; exec httpd -f -h /www -p 80")  # fmt: skip
    fetch = ["curl", "-s", f"http://127.0.0.1:{port}/"]
    wait_for(lambda: subprocess.run(fetch, capture_output=True).stdout == b"served\n")
    assert ok("run", "--rm", "--network", "n" + tag, "busybox", "wget", "-qO-",
              "http://www/") == "served"  # fmt: skip
    assert ok("port", "srv") == f"80/tcp -> 127.0.0.1:{port}"
    ok("rm", "-f", "-t", "0", "srv")
    ok("network", "rm", "n" + tag)
    ok("volume", "rm", "v" + tag)
    ok("secret", "create", "s1", "-", input=b"hidden")
    assert ok("run", "--rm", *NO_NET, "--secret", "s1", "busybox", "cat",
              "/run/secrets/s1") == "hidden"  # fmt: skip
    ok("secret", "rm", "s1")
    about = json.loads(ok("info", "--format", "json"))
    assert about["host"]["kernel"] == os.uname().release
    assert ok("version", "--format", "{{.Server.Version}}")
    assert "Images" in ok("system", "df")


def test_pods_of_podman_remote(remote: Remote, tmp_path: Path) -> None:
    ok = remote.ok
    pod = ok("pod", "create", "--name", "p", *NO_NET, "-l", "x=y", "--hostname", "h",
             "--share", "net,uts", "--infra-image", "busybox", "--infra-name", "first")  # fmt: skip
    assert remote.run("pod", "exists", "p").returncode == 0
    assert remote.run("pod", "exists", "q").returncode == 1
    ok("create", "--pod", "p", "--name", "a", "--stop-timeout", "0", "busybox", "sleep", "1000")
    assert ok("pod", "start", "p") == pod
    assert ok("exec", "a", "hostname") == "h"
    assert ok("run", "--rm", "--pod", "p", "busybox", "hostname") == "h"
    (row,) = json.loads(ok("pod", "ps", "--format", "json"))
    assert row["Id"] == pod and row["Status"] == "Running" and row["Labels"] == {"x": "y"}
    assert [one["Names"] for one in row["Containers"]] == ["first", "a"]
    assert ok("pod", "ps", "--filter", "name=nothing", "-q") == ""
    about = json.loads(ok("pod", "inspect", "p"))
    assert about["Id"] == pod and about["SharedNamespaces"] == ["net", "uts"]
    assert about["NumContainers"] == 2 and about["CreateCommand"][0] == "/usr/bin/podman"
    assert ok("ps", "--filter", "pod=p", "--filter", "name=a", "--format", "{{.PodName}}") == "p"
    assert "sleep" in ok("pod", "top", "p", "args")
    assert "a" in ok("pod", "stats", "--no-stream", "p").split()
    ok("pod", "restart", "p")
    ok("pod", "stop", "-t", "0", "p")
    assert json.loads(ok("pod", "inspect", "p"))["State"] == "Exited"
    ok("pod", "start", "p")
    ok("pod", "kill", "p")
    assert remote.run("pod", "rm", "nothing").returncode == 1
    ok("pod", "start", "p")
    assert remote.run("pod", "rm", "p").returncode != 0
    assert ok("pod", "rm", "-f", "p") == pod
    assert ok("ps", "-aq") == "" == ok("pod", "ps", "-q")
    ok("pod", "create", "--infra=false", "--name", "bare")
    ok("run", "--pod", "bare", *NO_NET, "busybox", "true")
    ok("pod", "prune", "-f")
    assert ok("pod", "ps", "-q") == ""


MANIFEST = """
apiVersion: v1
kind: Secret
metadata: {name: hidden}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claimed}
---
apiVersion: v1
kind: Pod
metadata: {name: k}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: a, image: busybox, command: [sleep, "1000"]}
  - {name: b, image: busybox, command: [sleep, "1000"]}
"""


def test_manifests_of_podman_remote(remote: Remote, tmp_path: Path) -> None:
    ok, file = remote.ok, tmp_path / "k.yaml"
    file.write_text(MANIFEST)
    options = (*NO_NET, "--annotation", "x=y", "--log-opt", "max-size=3m", "--tls-verify=false")
    lines = ok("kube", "play", *options, file).splitlines()
    about = json.loads(ok("pod", "inspect", "k"))
    assert about["State"] == "Running" and lines[lines.index("Pod:") + 1] == about["Id"]
    ids = [one["Id"] for one in about["Containers"]][1:]
    assert lines[lines.index("Containers:") + 1 :][:2] == ids, lines
    assert "claimed" in lines and "hidden" in ok("secret", "ls")
    shown = remote.served.engine.inspect("k-a")
    assert shown["Config"]["Annotations"]["x"] == "y"
    assert shown["HostConfig"]["LogConfig"]["Config"]["max-size"] == str(3 << 20)
    text = ok("kube", "generate", "-s", "k")
    assert "kind: Pod" in text and "name: k" in text
    ok("generate", "kube", "-f", tmp_path / "made.yaml", "k")
    assert "kind: Pod" in (tmp_path / "made.yaml").read_text()
    again = ok("kube", "play", "--replace", "--start=false", *NO_NET, file)
    assert about["Id"] in again  # it was stopped and removed
    second = json.loads(ok("pod", "inspect", "k"))
    assert second["Id"] != about["Id"] and second["State"] == "Created"
    down = ok("kube", "down", file).splitlines()
    assert down == ["Pods stopped:", second["Id"], "Pods removed:", second["Id"]]
    assert ok("pod", "ps", "-q") == "" and "hidden" not in ok("secret", "ls")
    assert ok("play", "kube", *NO_NET, file) and ok("play", "kube", "--down", file)
    for wrong, words in ((["--userns", "auto"], b"userns is not done"),
                         (["--ip", "10.0.0.9"], b"--network NAME:ip="),
                         (["--no-hosts"], b"nohosts is not done")):  # fmt: skip
        done = remote.run("kube", "play", *wrong, file)
        assert done.returncode == 125 and words in done.stderr, done
    file.write_text(MANIFEST.replace("image: busybox,", "", 1))
    done = remote.run("kube", "play", file)
    assert b"Pod k.spec.containers[0].image: it is missing" in done.stderr, done
    assert remote.run("kube", "generate", "nothing").returncode == 125
    assert ok("ps", "-aq") == ""
    ok("volume", "rm", "claimed")


@pytest.fixture
def client(served: Served) -> Iterator[Any]:
    with podman.PodmanClient(base_url=f"unix://{served.path}", timeout=60) as made:
        yield made
        for container in made.containers.list(all=True):
            container.remove(force=True)


def test_podman_py(client: Any, served: Served) -> None:
    assert client.ping() and client.version()["Components"]
    assert client.info()["host"]["kernel"] == os.uname().release
    said = client.containers.run("busybox", ["echo", "hi"], remove=True, network_mode="none")
    assert said == b"hi\n"
    made = client.containers.run(
        "busybox", ["sleep", "1000"], detach=True, name="py", network_mode="none",
        environment={"A": "b"}, labels={"x": "y"}, stop_signal="SIGKILL",
    )  # fmt: skip
    assert made.status == "running" and made.name == "py" and made.labels == {"x": "y"}
    assert [one.name for one in client.containers.list(filters={"label": "x=y"})] == ["py"]
    code, out = made.exec_run(["sh", "-c", "echo $A; exit 3"], demux=True)
    assert (code, out) == (3, (b"b\n", None))
    assert made.top()["Processes"]
    made.rename("other")
    made.stop(timeout=0)
    assert made.wait() == 137
    made.start()
    made.kill()
    made.wait()
    made.remove()
    assert not client.containers.exists("other")
    events = [*client.events(since=int(time.time()) - 60, until=int(time.time()) + 1,
                             filters={"container": made.id}, decode=True)]  # fmt: skip
    actions = [one["Action"] for one in events]
    assert actions[:2] == ["create", "start"] and {"died", "remove"} <= {*actions}
    with pytest.raises(podman.errors.NotFound):
        client.containers.get("other")
    (image,) = client.images.list()
    assert "docker.io/library/busybox:latest" in image.tags
    assert image.history() and client.images.exists("busybox")
    image.tag("tagged", "1")
    client.images.remove("tagged:1")
    assert client.images.pull("busybox", tag="latest").id == image.id
    volume = client.volumes.create("pyv", labels={"c": "d"})
    assert client.volumes.get("pyv").attrs["Labels"] == {"c": "d"}
    volume.remove()
    network = client.networks.create("pyn" + str(os.getpid()), driver="bridge")
    assert client.networks.exists(network.name)
    network.remove()
    secret = client.secrets.create("pys", b"hidden")
    assert client.secrets.exists("pys")
    secret.remove()
    assert client.df()["Images"]
