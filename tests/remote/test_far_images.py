"""Images, builds, networks, volumes, secrets and the whole engine by way of our own service."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from engine import Engine
from far import Far
from oci_images import SECRET

NONE = ("--network", "none")
ROOT = pytest.mark.parametrize("engine", ["root"], indirect=True)
"""What is no other for a plain user."""


@ROOT
def test_images_to_and_from_a_registry(far: Far) -> None:
    engine = far.engine
    name = f"{engine.registry}/far/made:1"
    assert far.ok("tag", "busybox", name) == ""
    pushed = far.run("push", name)
    assert pushed.code == 0 and "The push refers to repository" in pushed.err, pushed.err
    assert pushed.out.startswith("1: digest: sha256:")
    assert f"Untagged: {name}" in far.ok("rmi", name)
    here = engine.run("pull", name)
    engine.ok("rmi", name)
    there = far.run("pull", name)
    assert (there.out, there.code) == (here.out, 0)
    assert far.ok("pull", "-q", name) == far.ok("inspect", "-f", "{{.Id}}", name)
    assert "up to date" in far.ok("pull", "--progress", "none", name)
    assert '"status":"complete"' in far.ok("pull", "--progress", "json", name)
    engine.ok("rmi", name)
    done = far.run("run", "--rm", *NONE, name, "echo", "there")
    assert done.out == "there\n" and "Unable to find image" in done.err and done.code == 0
    assert far.run("run", "--rm", "-q", *NONE, "--pull", "always", name, "true").err == ""
    message = far.fails("pull", f"{engine.registry}/far/nosuch")
    assert "far/nosuch" in message
    assert "--tls-verify: the service asks" in far.fails("pull", "--tls-verify=false", name)
    far.ok("untag", "busybox", name)
    assert far.run("image", "exists", name).code == 1


@ROOT
def test_logins(far: Far, guarded: str) -> None:
    image = f"{guarded}/team/app"
    assert "authentication required" in far.fails("pull", image)
    assert far.ok("pull", "-q", "--creds", f"me:{SECRET}", image).startswith("sha256:")
    far.ok("rmi", image)
    words = ("login", "-u", "me", "--password-stdin", guarded)
    assert "password is not accepted" in far.fails(*words, input="wrong")
    assert far.ok(*words, input=SECRET) == "Login Succeeded!"
    assert far.ok("login", "--get-login", guarded) == "me"
    assert far.ok("pull", "-q", image).startswith("sha256:")
    far.ok("logout", guarded)
    far.ok("rmi", image)


@ROOT
def test_images_as_files(far: Far, place: Path) -> None:
    far.ok("tag", "busybox", "saved:1")
    far.ok("save", "-o", f"{place}/a.tar", "saved:1")
    far.ok("rmi", "saved:1")
    assert far.ok("load", "-i", f"{place}/a.tar") == "Loaded image: saved:1"
    archive = far.run("save", "saved:1").raw
    assert far.ok("load", input=archive) == "Loaded image: saved:1"
    far.engine.ok("create", "--name", "c", *NONE, "busybox")
    files = far.run("export", "c").raw
    made = far.ok(
        "import", "-m", "text", "-c", 'CMD ["echo", "imported"]', "-", "im:1", input=files
    )
    assert made.startswith("sha256:") and far.ok("run", "--rm", *NONE, "im:1") == "imported"
    assert "im" in far.ok("history", "--format", "{{.Tags}}", "im:1")
    far.ok("rmi", "saved:1", "im:1")
    assert "Total reclaimed space" in far.ok("image", "prune", "-f")
    assert "Total reclaimed space" in far.ok("system", "prune", "-f", "--volumes")


def test_builds(far: Far, place: Path) -> None:
    context = place / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM busybox\nARG A=1\nCOPY . /src\nRUN echo $A $B > /a; cat /proc/sys/kernel/hostname\n"
        'CMD ["sh", "-c", "ls -A /src; cat /a"]\n'
    )
    (context / "keep").write_text("1")
    (context / "hidden").write_text("2")
    (context / ".dockerignore").write_text("hidden\nDockerfile\n.dockerignore\n")
    os.chmod(context, 0o755)
    files = ("--iidfile", f"{place}/iid")
    said = far.ok(
        "build", "-t", "b:1", "--build-arg", "A=2", "--label", "l=m", *files, str(context)
    )
    lines = said.splitlines()
    assert lines[0] == "Step 1/5 : FROM busybox" and lines[-1] == "Successfully tagged b:1"
    image_id = (place / "iid").read_text()
    assert image_id == far.ok("inspect", "-f", "{{.Id}}", "b:1")
    assert far.ok("run", "--rm", *NONE, "b:1") == "keep\n2"
    assert far.ok("inspect", "-f", "{{.Config.Labels.l}}", "b:1") == "m"
    again = far.ok("build", "-q", "--build-arg", "A=2", "--label", "l=m", str(context))
    assert again == image_id
    other = far.ok("build", "-q", "-f", "-", str(context), input="FROM busybox\nCOPY keep /k\n")
    assert far.ok("run", "--rm", *NONE, other, "cat", "/k") == "1"
    alone = far.ok("build", "-q", "-", input="FROM busybox\nRUN echo x > /x\n")
    assert far.ok("run", "--rm", *NONE, alone, "cat", "/x") == "x"
    bad = "FROM busybox\nRUN echo before; exit 3\n"
    done = far.run("build", "-", input=bad)
    assert done.code == 3 and "before" in done.out
    assert "no Dockerfile" in far.fails("build", str(place), code=125)
    assert "cannot say it" in far.fails("build", "--secret", "id=x,src=/etc/passwd", str(context))
    assert "Total:" in far.ok("buildx", "du")
    assert "Total reclaimed space" in far.ok("builder", "prune", "-f")
    far.ok("rmi", "-f", "b:1")


@ROOT
def test_networks_volumes_and_secrets(far: Far) -> None:
    engine = far.engine
    made = far.ok("network", "create", "--subnet", "10.77.0.0/24", "--label", "a=b", "n")
    assert engine.ok("network", "inspect", "-f", "{{.Id}}", "n") == made
    engine.detached("--name", "c", "--network", "n", "busybox", "sleep", "1000")
    far.ok("network", "create", "m")
    far.ok("network", "connect", "--alias", "x", "m", "c")
    assert "m" in engine.inspect("c")["NetworkSettings"]["Networks"]
    far.ok("network", "disconnect", "m", "c")
    assert far.ok("network", "rm", "m") == "m"
    assert far.run("network", "rm", "n").code == 1
    assert far.ok("network", "rm", "-f", "n") == "n" and far.ok("ps", "-aq") == ""
    assert far.ok("volume", "create", "--label", "k=v", "vol") == "vol"
    assert engine.ok("volume", "inspect", "-f", "{{.Labels.k}}", "vol") == "v"
    assert "Deleted Volumes:\nvol" in far.ok("volume", "prune", "-af")
    far.ok("volume", "create", "vol")
    assert far.ok("volume", "rm", "vol") == "vol"
    assert "Deleted Networks:" not in far.ok("network", "prune", "-f")
    far.ok("secret", "create", "s", "-", input="hush")
    assert far.ok("secret", "ls", "--format", "{{.Name}}") == "s"
    assert engine.ok("secret", "inspect", "--showsecret", "-f", "{{.SecretData}}", "s") == "hush"
    assert far.ok("secret", "inspect", "s") == engine.ok("secret", "inspect", "s")
    assert far.run("secret", "exists", "s").code == 0
    far.ok("secret", "rm", "s")


@ROOT
def test_the_engine_as_a_whole(far: Far) -> None:
    told = json.loads(far.ok("version", "--format", "json"))
    assert told["Server"]["Version"] == told["Client"]["Version"]
    shown = far.ok("version")
    assert "Client: crunpy" in shown and "Server: crunpy" in shown
    assert "Server Version:" in far.ok("info")
    engine = far.engine
    since = engine.ok("events", "--since", "1h", "--stream=false").count("\n")
    engine.ok("create", "--name", "c", *NONE, "--label", "a=b", "busybox")
    here, there = (
        e.ok("events", "--since", "1h", "--until", "0s", "--filter", "container=c")
        for e in (engine, far)
    )
    assert here == there and "create" in there and since >= 0


@ROOT
def test_what_makes_no_sense_there_is_refused(far: Far) -> None:
    engine: Engine = far.engine
    for words in ("mount", "unshare true", "doctor", "system check", "volume export v",
                  "manifest inspect x", "image tree busybox", "system service"):  # fmt: skip
        message = far.fails(*words.split())
        assert f"not on {far.host}" in message and message.count("\n") == 0, message
    env: dict[str, str | None] = {"DOCKER_HOST": far.host}
    assert engine.run("doctor", env=env).code == 125
    assert "completion" in engine.ok("completion", "bash", env=env)
    assert engine.ok("-H", "", "ps", "-q", env=env) == ""
    unit: dict[str, str | None] = {**env, "PODMAN_SYSTEMD_UNIT": "x.service"}
    assert engine.ok("version", "-f", "{{len .Server.Components}}", env=unit) == "1"
    assert engine.run("doctor", env=unit).code != 125
    assert engine.run("image", "mount", env=env).code == 125
    engine.ok("system", "generator", "--help", env=env)


@ROOT
def test_compose_runs_with_the_service(far: Far, place: Path) -> None:
    (place / "docker-compose.yml").write_text(
        'services: {web: {image: busybox, network_mode: none, command: "sleep 1000", init: true}}\n'
    )
    far.ok("compose", "up", "-d", cwd=place)
    assert far.engine.ok("ps", "--format", "{{.Names}}") == "place_web_1"
    far.ok("compose", "down", "-t", "0", cwd=place)
    assert far.ok("ps", "-aq") == ""
