"""Which service is meant: options, variables, docker's contexts and podman's connections."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import Engine
from far import Far

from crun_py import caller
from crun_py.errors import CrunpyError, InvalidArgument, Unsupported
from crun_py.remote import choice, connections, contexts
from crun_py.remote.endpoint import Endpoint, Tls, parse

DOCKERS = [p for p in ("/usr/bin/docker", "/usr/local/bin/docker") if os.path.exists(p)]


@pytest.fixture
def variables(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Sets the caller's variables; HOME is an empty directory."""

    def are(**given: str) -> None:
        caller.has({"HOME": str(tmp_path), "CONTAINERS_CONF": "/dev/null", **given})

    are()
    yield are
    caller.has(os.environ)


def test_addresses() -> None:
    assert parse("unix:///run/x.sock").path == "/run/x.sock"
    assert parse("/run/x.sock").url == "unix:///run/x.sock"
    plain, secure = parse("tcp://far.example"), parse("tcp://far.example", Tls())
    assert (plain.host, plain.port, secure.port) == ("far.example", 2375, 2376)
    assert parse("far.example:99").port == 99 and parse("tcp://[::1]:99").host == "::1"
    assert parse("https://far.example").tls == Tls() and parse("http://h:1").tls is None
    ssh = parse("ssh://me@far.example:2222/run/x.sock")
    assert ssh == Endpoint(kind="ssh", url=ssh.url, user="me", host="far.example", port=2222,
                           path="/run/x.sock")  # fmt: skip
    for text in ("unix://x", "ftp://x", "tcp://h:x", "tcp://h:99999", "tcp://h/path", "tcp://u@h",
                 "ssh://me:secret@h", "ssh://-oProxyCommand=x", "ssh://", "tcp://::1:99", "fd://",
                 "ssh://h:0", "unix://"):  # fmt: skip
        with pytest.raises(InvalidArgument):
            parse(text)
    with pytest.raises(Unsupported, match="Windows"):
        parse("npipe:////./pipe/docker_engine")


def test_what_counts_more(variables: Callable[..., None]) -> None:
    def chosen(**asked: Any) -> str:
        found = choice.chosen(choice.Asked(**asked))
        return found.url if found else ""

    contexts.create(contexts.DockerContext(name="ctx", host="tcp://ctx:1"))
    connections.add(connections.Connection(name="con", uri="tcp://con:1"))
    assert chosen() == "" and chosen(remote=True) == "tcp://con:1"
    assert chosen(host="unix:///x") == "unix:///x" and chosen(host="") == ""
    assert chosen(context="ctx") == "tcp://ctx:1" and chosen(connection="con") == "tcp://con:1"
    assert chosen(context="con") == "tcp://con:1"  # podman's -c is a connection
    assert chosen(context="default") == chosen(connection="default") == ""
    variables(CONTAINER_CONNECTION="con")
    assert chosen() == "tcp://con:1"
    variables(CONTAINER_CONNECTION="con", DOCKER_CONTEXT="ctx")
    assert chosen() == "tcp://ctx:1" and chosen(context="default") == ""
    variables(DOCKER_CONTEXT="ctx", CONTAINER_HOST="tcp://podman:1")
    assert chosen() == "tcp://podman:1"
    variables(CONTAINER_HOST="tcp://podman:1", DOCKER_HOST="tcp://docker:1")
    assert chosen() == "tcp://docker:1" and chosen(context="default") == "tcp://docker:1"
    assert chosen(host="") == "" and chosen(context="ctx") == "tcp://ctx:1"
    variables(DOCKER_HOST="")
    assert chosen() == ""
    contexts.use("ctx")
    assert chosen() == "tcp://ctx:1"
    contexts.remove("ctx", force=True)
    assert chosen() == ""
    for wrong in ({"host": "unix:///x", "context": "ctx"}, {"context": "a", "connection": "b"},
                  {"context": "nosuch"}, {"connection": "nosuch"}):  # fmt: skip
        with pytest.raises(CrunpyError):
            chosen(**wrong)
    variables(DOCKER_CONTEXT="nosuch")
    with pytest.raises(CrunpyError, match="does not exist"):
        chosen()


def test_tls_of_the_environment(variables: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    variables(DOCKER_HOST="tcp://h", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(tmp_path))
    found = choice.chosen(choice.Asked())
    assert found and found.tls == Tls(ca=f"{tmp_path}/ca.pem") and found.port == 2376
    found = choice.chosen(choice.Asked(verify=False, tls=True))
    assert found and found.tls and not found.tls.verify


def test_files_that_are_none(variables: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text('{"currentContext": ')
    with pytest.raises(CrunpyError, match="not valid JSON"):
        choice.chosen(choice.Asked())
    (tmp_path / ".docker/config.json").write_text("{}")
    (tmp_path / ".config/containers").mkdir(parents=True)
    (tmp_path / ".config/containers/podman-connections.json").write_text("[")
    with pytest.raises(CrunpyError, match="not valid JSON"):
        choice.chosen(choice.Asked(remote=True))
    conf = tmp_path / "containers.conf"
    conf.write_text(
        '[engine]\nactive_service = "a"\n[engine.service_destinations.a]\n'
        'uri = "ssh://u@h:22/run/p.sock"\nidentity = "/key"\n'
    )
    (tmp_path / ".config/containers/podman-connections.json").unlink()
    variables(CONTAINERS_CONF=str(conf))
    found = choice.chosen(choice.Asked(remote=True))
    assert found and (found.path, found.identity) == ("/run/p.sock", "/key")


@pytest.mark.parametrize("program", DOCKERS)
def test_docker_and_crunpy_have_the_same_contexts(
    program: str, root: Engine, tmp_path: Path, certificates: Path
) -> None:
    def docker(*args: object) -> str:
        env = {"HOME": str(root.home), "PATH": os.environ["PATH"]}
        done = subprocess.run([program, *map(str, args)], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    files = (f"{name}={certificates}/{name}.pem" for name in ("ca", "cert", "key"))
    tls = ",".join(["host=tcp://1.2.3.4:2376", *files])
    docker("context", "create", "theirs", "--docker", tls, "--description", "of docker")
    assert root.ok("context", "create", "ours", "--docker", tls + ",skip-tls-verify=true") == "ours"
    for name in ("theirs", "ours"):
        told = [json.loads(run("context", "inspect", name)) for run in (docker, root.ok)]
        assert told[0][0]["TLSMaterial"]["docker"].sort() is None and told[0] == told[1]
        template = "{{.Name}} {{.Endpoints.docker.Host}} {{.Metadata.Description}}"
        assert root.ok("context", "inspect", "-f", template, name)
    assert docker("context", "ls", "-q").split() == root.ok("context", "ls", "-q").split()
    assert root.ok("context", "use", "theirs") == "theirs"
    assert "theirs *" in docker("context", "ls") and root.ok("context", "show") == "theirs"
    assert "theirs *   of docker" in root.ok("context", "ls")
    docker("context", "use", "ours")
    assert root.ok("context", "ls", "--format", "{{.Name}} {{.Current}}").split()[-3:] == [
        "true", "theirs", "false"]  # fmt: skip
    assert "in use" in root.fails("context", "rm", "ours", code=1)
    assert (
        root.ok("context", "rm", "-f", "ours") == "ours" and root.ok("context", "show") == "default"
    )
    root.ok("context", "export", "theirs", tmp_path / "file")
    docker("context", "import", "copy", tmp_path / "file")
    docker("context", "export", "copy", tmp_path / "file2")
    root.ok("context", "import", "again", tmp_path / "file2")
    assert (root.home / ".docker/contexts/tls").is_dir()
    template = "{{.Endpoints.docker.Host}} {{.TLSMaterial.docker}}"
    assert "2376 [ca.pem cert.pem key.pem]" in docker("context", "inspect", "-f", template, "again")
    root.ok("context", "update", "again", "--description", "new", "--docker", "host=unix:///x")
    assert "unix:///x" in docker("context", "inspect", "again")
    for words in ("create a --docker host=unix:///x", "create theirs --docker host=unix:///x",
                  "create new", "create new --docker host=ftp://x", "use nosuch", "rm default",
                  "export nosuch", "export default", "import new /dev/null",
                  "create new --docker nosuch=x", "update nosuch --description x"):  # fmt: skip
        root.fails("context", *words.split(), code=1 if words.startswith("rm") else 125)


def test_a_context_in_use(far: Far) -> None:
    engine = far.engine
    engine.ok("context", "create", "far", "--docker", f"host={far.host}")
    assert engine.ok("--context", "far", "version", "-f", "{{.Client.Context}}") == "far"
    engine.ok("create", "--name", "c", "--network", "none", "busybox")
    engine.ok("context", "use", "far")
    assert engine.ok("version", "-f", "{{.Client.Context}}") == "far"
    assert engine.ok("ps", "-a", "--format", "{{.Names}}") == "c"
    assert "not on" in engine.fails("doctor") and "(context far)" in engine.fails("doctor")
    assert engine.ok("-H", "", "version", "-f", "{{.Client.Context}}") == "default"
    engine.ok("context", "use", "default")
    assert "currentContext" not in (engine.home / ".docker/config.json").read_text()
    engine.ok("system", "connection", "add", "con", far.host)
    assert "con    unix://" in engine.ok("system", "connection", "ls")
    assert json.loads(engine.ok("system", "connection", "ls", "--format", "json"))[0]["Default"]
    for general in (("--connection", "con"), ("-r",), ("-c", "con")):
        assert engine.ok(*general, "ps", "-a", "--format", "{{.Names}}") == "c"
    engine.ok("system", "connection", "add", "-d", "--identity", "/k", "-p", "23", "s", "me@h")
    assert engine.ok("system", "connection", "ls", "-f", "{{.URI}} {{.Identity}}").endswith(
        "ssh://me@h:23 /k")  # fmt: skip
    engine.ok("system", "connection", "rename", "s", "t")
    engine.ok("system", "connection", "default", "con")
    assert engine.ok("system", "connection", "list", "-q").split() == ["con", "t"]
    assert engine.ok("system", "connection", "rm", "--all") == ""
    assert "does not exist" in engine.fails("system", "connection", "rm", "con")
    assert "Usage: crunpy system connection" in engine.ok("system", "connection", "--help")
    assert "no such command" in engine.fails("system", "connection", "nosuch")
