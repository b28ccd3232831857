"""~/.docker/config.json: formats of lists, keys to detach, proxies, as docker has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from engine import Engine

NONE = ("--network", "none")


@pytest.fixture
def config(engine: Engine) -> Path:
    """Where an engine's user has that file, empty of settings."""
    path = engine.home / "docker/config.json"
    path.parent.mkdir()
    path.parent.chmod(0o755)
    path.write_text("{}")
    return path


def with_it(config: Path, **more: str) -> dict[str, str | None]:
    return {"DOCKER_CONFIG": str(config.parent), **more}


LISTS = [
    ("psFormat", ("ps", "-a"), "{{.Names}}", "c"),
    ("imagesFormat", ("images",), "{{.Repository}}", "busybox"),
    ("volumesFormat", ("volume", "ls"), "{{.Name}}!", "data!"),
    ("networksFormat", ("network", "ls"), "{{.Name}}!", "bridge!"),
    ("statsFormat", ("stats", "--no-stream", "-a"), "{{.Name}}!", "c!"),
]


def test_formats(engine: Engine, config: Path) -> None:
    engine.ok("create", "--name", "c", *NONE, "busybox")
    engine.ok("volume", "create", "data")
    for key, words, template, line in LISTS:
        config.write_text(json.dumps({key: template}))
        assert line in engine.ok(*words, env=with_it(config)).splitlines(), key
        assert line not in engine.ok(*words).splitlines()
        config.write_text(json.dumps({key: "table {{.Bogus"}))
        assert engine.run(*words, env=with_it(config)).code != 0
    config.write_text(json.dumps({"psFormat": "{{.Names}}"}))
    assert engine.ok("ps", "-a", "--format", "{{.Image}}", env=with_it(config)) == "busybox"
    assert len(engine.ok("ps", "-aq", env=with_it(config))) == 12
    assert engine.ok("container", "ls", "-a", env=with_it(config)) == "c"


def test_a_file_that_is_none_is_told_and_left(engine: Engine, config: Path) -> None:
    for text, cause in (("{", "Expecting"), ("[]", "not a JSON object"), ('"x"', "not a JSON")):
        config.write_text(text)
        done = engine.run("ps", env=with_it(config))
        assert done.code == 0 and done.out.startswith("CONTAINER ID")
        assert done.err.count("warning") == 1 and str(config) in done.err and cause in done.err
    for odd in ({"psFormat": 5, "detachKeys": [], "proxies": 1}, {"proxies": {"default": []}},
                {"proxies": {"default": {"httpProxy": 7}}}):  # fmt: skip
        config.write_text(json.dumps(odd))
        done = engine.run("run", "--rm", *NONE, "busybox", "env", env=with_it(config))
        assert done.code == 0 and not done.err and "proxy" not in done.out.lower()


def test_keys_to_detach(engine: Engine, config: Path) -> None:
    config.write_text(json.dumps({"detachKeys": "ctrl-e,e"}))
    engine.detached("--name", "c", "-it", "busybox", "cat")
    terminal = engine.pty("--config", config.parent, "attach", "c")
    terminal.write("hello\n")
    terminal.until("hello")
    terminal.write("\x10\x11\x05e")  # the usual keys are text now
    assert terminal.wait() == 0
    assert engine.ps() == ["c"]
    config.write_text(json.dumps({"detachKeys": "ctrl-"}))
    assert "ctrl-" in engine.fails("attach", "c", env=with_it(config))


PROXIES = {"default": {"httpProxy": "http://p:1", "noProxy": "local", "ftpProxy": ""},
           "tcp://other": {"httpsProxy": "http://no"}}  # fmt: skip


def test_proxies_of_containers(engine: Engine, config: Path) -> None:
    config.write_text(json.dumps({"proxies": PROXIES}))

    def seen(*options: str, **more: str) -> set[str]:
        out = engine.ok(
            "run", "--rm", *NONE, *options, "busybox", "env", env=with_it(config, **more)
        )
        return {line for line in out.splitlines() if "proxy" in line.lower()}

    wanted = {"HTTP_PROXY=http://p:1", "http_proxy=http://p:1", "NO_PROXY=local", "no_proxy=local"}
    assert seen() == wanted
    assert seen(http_proxy="http://mine") == wanted
    assert seen("-e", "HTTP_PROXY=http://q") == {*wanted, "HTTP_PROXY=http://q"} - {
        "HTTP_PROXY=http://p:1"}  # fmt: skip
    assert seen("--http-proxy=false") == set()


def test_proxies_of_builds(engine: Engine, config: Path) -> None:
    """RUN has them; the image and its history do not."""
    config.write_text(json.dumps({"proxies": PROXIES}))
    where = engine.home / "context"
    where.mkdir()
    (where / "Dockerfile").write_text("FROM busybox\nRUN env | grep -i proxy > /seen\n")
    where.chmod(0o755)
    engine.ok("build", "-q", "-t", "proxied", where, env=with_it(config))
    assert "HTTP_PROXY=http://p:1" in engine.ok("run", "--rm", *NONE, "proxied", "cat", "/seen")
    about = engine.ok("inspect", "proxied") + engine.ok("history", "--no-trunc", "proxied")
    assert "http://p:1" not in about
    done = engine.run("build", "--no-cache", "--http-proxy=false", where, env=with_it(config))
    assert done.code == 1
    engine.ok("rmi", "proxied")
