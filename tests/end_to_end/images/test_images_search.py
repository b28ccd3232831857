"""search: the v1 API as docker.io has it, the v2 catalogue, tags."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from engine import Engine

RESULTS = [
    {"name": "nginx", "description": "Official build of Nginx.", "star_count": 20000,
     "is_official": True},
    {"name": "someone/nginx", "description": "A long description\nof an image " + "x" * 80,
     "star_count": 12, "is_automated": True},
    *({"name": f"u{n}/nginx", "description": "", "star_count": 0} for n in range(60)),
    {"name": "evil\x1b[31m", "description": "\x1b]0;title\x07", "star_count": 1},
]  # fmt: skip


class Scripted(ThreadingHTTPServer):
    """Answers like docker.io's index (v1), or without it like a registry with a catalogue."""

    def __init__(self, *, v1: bool) -> None:
        self.v1 = v1
        super().__init__(("127.0.0.1", 0), Answers)
        self.host = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Answers(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        pages = {"": (["team/nginx", "team/other"], "b"), "b": (["nginx-two"], "")}
        status, value, link = 404, {}, ""
        if parts.path == "/v1/search" and self.server.v1:
            status, value = 200, {"results": RESULTS if query["q"] == ["nginx"] else []}
        elif parts.path == "/v2/_catalog" and not self.server.v1:
            names, after = pages[query.get("last", [""])[0]]
            link = f'</v2/_catalog?last={after}>; rel="next"' if after else ""
            status, value = 200, {"repositories": names}
        elif parts.path == "/v2/team/nginx/tags/list":
            status, value = 200, {"tags": [f"v{n}" for n in range(30)]}
        body = json.dumps(value).encode()
        self.send_response(status)
        if link:
            self.send_header("link", link)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def serving(v1: bool) -> Iterator[Scripted]:
    made = Scripted(v1=v1)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def index() -> Iterator[Scripted]:
    yield from serving(True)


@pytest.fixture
def catalogue() -> Iterator[Scripted]:
    yield from serving(False)


@pytest.fixture
def hub(index: Scripted, tmp_path: Path, root: Engine) -> Iterator[Callable[..., str]]:
    """search with the scripted index in the place of docker.io."""
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nprefix = "docker.io"\nlocation = "{index.host}"\n')
    env: dict[str, str | None] = {"CONTAINERS_REGISTRIES_CONF": str(conf)}
    yield lambda *args: root.ok("search", *args, env=env)


def test_docker_io(hub: Callable[..., str]) -> None:
    lines = hub("nginx").split("\n")
    assert lines[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]
    assert lines[1].split() == ["nginx", "Official", "build", "of", "Nginx.", "20000", "[OK]"]
    assert len(lines) == 26, "25 by default"
    assert "A long description of an image xxx" in lines[2] and "…" in lines[2]
    assert "x" * 80 in hub("--no-trunc", "nginx")
    assert len(hub("--limit", "3", "nginx").split("\n")) == 4
    assert len(hub("--limit", "100", "nginx").split("\n")) == 64
    assert "\x1b" not in hub("--limit", "100", "nginx")
    names = ("--format", "{{.Name}}")
    assert hub(*names, "--filter", "stars=2", "nginx").split() == ["nginx", "someone/nginx"]
    assert hub(*names, "-s", "100", "nginx") == "nginx"
    assert hub(*names, "--stars=12", "nginx").split() == ["nginx", "someone/nginx"]
    assert hub(*names, "--automated", "nginx") == "someone/nginx"
    assert hub(*names, "-f", "is-official=true", "nginx") == "nginx"
    assert hub(*names, "-f", "is-official=false", "-f", "stars=2", "nginx") == "someone/nginx"
    assert (
        hub("--format", "{{.StarCount}} {{.IsOfficial}}", "--limit", "1", "nginx") == "20000 [OK]"
    )
    assert hub("nothing").split("\n") == [lines[0].partition("  ")[0] + "   " + "   ".join(
        ["DESCRIPTION", "STARS", "OFFICIAL"])]  # fmt: skip


def test_other_registries(root: Engine, catalogue: Scripted, index: Scripted) -> None:
    found = root.ok("search", "--format", "{{.Name}}", f"{catalogue.host}/nginx").split()
    assert found == [f"{catalogue.host}/team/nginx", f"{catalogue.host}/nginx-two"]
    found = root.ok("search", "--format", "{{.Name}}", "--limit", "1", f"{index.host}/nginx")
    assert found == f"{index.host}/nginx"
    lines = root.ok("search", "--list-tags", f"{catalogue.host}/team/nginx").split("\n")
    assert lines[0].split() == ["NAME", "TAG"] and len(lines) == 26
    assert lines[1].split() == [f"{catalogue.host}/team/nginx", "v0"]


def test_errors(root: Engine) -> None:
    for words in (("--limit", "0"), ("--limit", "101"), ("--limit", "x"), ("-f", "stars=many"),
                  ("-f", "beauty=1"), ("-s", "x")):  # fmt: skip
        root.fails("search", *words, "nginx")
    assert root.fails("search", "") == "searching: no term given"
    message = root.fails("search", "127.0.0.1:1/nginx")
    assert message.startswith("searching 127.0.0.1:1 for 'nginx': registry 127.0.0.1:1: ")


def test_a_real_registry(root: Engine) -> None:
    found = root.ok("search", "--format", "{{.Name}}", f"{root.registry}/busy").split()
    assert f"{root.registry}/library/busybox" in found
    every = root.ok("search", "--format", "{{.Name}}", f"{root.registry}/").split()
    assert {f"{root.registry}/library/{name}" for name in ("busybox", "nginx")} <= {*every}
