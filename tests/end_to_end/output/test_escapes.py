"""What a stranger wrote (labels, history, tags of an archive, names, commands) is shown on a
terminal with every control character escaped; one thing stays one line."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import images
import pytest
from engine import Engine
from mirror import Registry
from scripted import Server

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202efed"
LINES = "one\nFORGED line\rback"
RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def shown(engine: Engine, *words: str) -> str:
    """What a command prints on a terminal."""
    terminal = engine.pty(*words, rows=50, cols=400)
    terminal.wait()
    return terminal.seen.decode(errors="replace")


def check(text: str, what: object, *, lines: bool = True) -> None:
    """Nothing drives the terminal and (lines) no line is forged."""
    text = text.replace("\r\n", "\n")
    found = RAW.search(text)
    assert not found, f"{what}: {found and found.group()!r} in {text[:400]!r}"
    if lines:
        assert not re.search("^ *FORGED", text, re.M), f"{what}: a forged line in {text[:400]!r}"
        assert "\r" not in text, f"{what}: carriage return in {text[:400]!r}"


@pytest.fixture(scope="module")
def marked(new_engine: Callable[[str, str], Engine], registry: Registry) -> Iterator[Engine]:
    """A store with an image, a container and a volume full of escapes."""
    engine = new_engine("root", "e")
    labels = {"plain": EVIL + LINES, f"k{EVIL}{LINES}": "v"}
    image = images.image(registry.busybox, Labels=labels, Cmd=["echo", EVIL + LINES])
    name = registry.push("test/escapes", image)
    engine.ok("pull", "-q", name)
    engine.ok("tag", name, "e:1")
    engine.ok("create", "--network", "none", "--name", "c", "-e", f"A={EVIL}{LINES}", "-l",
              f"given{EVIL}={LINES}", "--annotation", f"a={EVIL}", "e:1", "echo", EVIL,
              LINES)  # fmt: skip
    engine.ok("commit", "-m", EVIL + LINES, "-a", EVIL + LINES, "c", "committed:1")
    engine.ok("volume", "create", "-l", f"k{EVIL}={LINES}", "v")
    engine.ok("start", "c")
    engine.ok("wait", "c")
    yield engine
    engine.clean()


LOOKS: list[list[str]] = [
    ["ps", "-a"], ["ps", "-a", "--no-trunc"],
    *(["ps", "-a", "--format", t] for t in (
        "{{.Labels}}", "{{.Command}}", '{{.Label "plain"}}', "table {{.Names}}\t{{.Labels}}",
        "{{json .}}", "json", "{{range $k, $v := .Labels}}{{$k}}{{end}}", "{{println .Command}}",
    )),
    ["images"], ["images", "--history"], ["images", "--format", "{{.Repository}} {{.Labels}}"],
    ["images", "--format", "{{json .}}"], ["history", "e:1"], ["history", "--no-trunc", "e:1"],
    ["history", "committed:1"], ["history", "--no-trunc", "committed:1"],
    ["history", "--format", "{{.Comment}} {{.CreatedBy}}", "committed:1"],
    ["inspect", "c"], ["inspect", "e:1"], ["image", "tree", "e:1"],
    *(["inspect", "-f", t, "c"] for t in (
        "{{.Config.Labels}}", "{{index .Config.Labels \"plain\"}}", "{{.Config.Env}}", "{{.Args}}",
        "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "{{json .Config.Labels}}",
    )),
    ["inspect", "-f", "{{.Config.Labels}} {{.Author}} {{.Comment}}", "committed:1"],
    ["image", "inspect", "-f", "{{index .Config.Labels \"plain\"}}", "e:1"],
    ["volume", "inspect", "v"], ["volume", "inspect", "-f", "{{.Labels}}", "v"],
    ["volume", "ls", "--format", "{{.Labels}}"], ["volume", "ls", "--format", "json"],
    *(["events", "--since", "0", "--until", "0s", "--format", t] for t in (
        "{{.Actor.Attributes}}", "{{json .}}", "{{.}}", "json",
    )),
    ["events", "--since", "0", "--until", "0s"],
    ["events", "--stream=false", "--since", "0"],
    ["events", "--since", "0", "--until", "0s", "-f", "type=image"],
    ["system", "df", "-v"], ["generate", "systemd", "c"], ["diff", "c"],
]  # fmt: skip


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_nothing_drives_the_terminal(marked: Engine, words: list[str]) -> None:
    check(shown(marked, *words), words)


@pytest.mark.parametrize(
    "template",
    [
        '{{join .Args " "}}',
        '{{printf "%s\\n" (index .Config.Labels "plain")}}',
        "{{println .Args}}",
    ],
)
def test_functions_of_templates(marked: Engine, template: str) -> None:
    """What the template itself writes stays: its line ends."""
    text = shown(marked, "inspect", "-f", template, "c")
    check(text, template, lines=False)
    assert text.endswith("\r\n")


@pytest.mark.parametrize(
    "template", ["{{.Config.Labels.plain}}", '{{index .Config.Labels "plain"}}']
)
def test_a_pipe_gets_the_very_bytes(marked: Engine, template: str) -> None:
    """A script sees what was set."""
    out = marked.run("inspect", "-f", template, "e:1").out
    assert out == EVIL + LINES + "\n"


def test_errors_on_a_terminal(marked: Engine) -> None:
    for words in (["rm", EVIL + LINES], ["run", "--network", "none", "e:1", EVIL + LINES],
                  ["pull", f"a/{EVIL}"], ["inspect", LINES], ["start", EVIL], [f"--{EVIL}"],
                  [EVIL], ["ps", "-a", "--format", "{{" + EVIL], ["ps", "-f", f"{EVIL}=1"],
                  ["exec", "-w", "/" + EVIL, "c", "true"], ["volume", "rm", LINES],
                  ["cp", f"c:/{EVIL}", "/tmp"],
                  ["create", "--mount", f"type=bind,src=/{EVIL},dst=/a", "e:1"],
                  ["port", "c", EVIL], ["logs", "--since", EVIL, "c"]):  # fmt: skip
        text = shown(marked, *words)
        check(text, words)
        assert text.count("crunpy: error: ") == 1, f"{words}: {text!r}"


def test_names_in_an_archive(marked: Engine) -> None:
    """An archive cannot give an image a name that drives the terminal."""
    whole = marked.run("save", "e:1", check=True).raw
    made = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(whole)) as source,
        tarfile.open(fileobj=made, mode="w") as new,
    ):
        for member in source:
            data = source.extractfile(member).read() if member.isreg() else b""  # type: ignore[union-attr]
            if member.name == "manifest.json":
                document: Any = json.loads(data)
                document[0]["RepoTags"] = [f"x{EVIL}:1", f"y\nFORGED:{EVIL}"]
                data = json.dumps(document).encode()
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    file = marked.home / "archive.tar"
    file.write_bytes(made.getvalue())
    check(shown(marked, "load", "-q", "-i", str(file)), "load")
    check(shown(marked, "images"), "images")
    check(shown(marked, "images", "--format", "{{.Repository}}:{{.Tag}}"), "images --format")


def test_what_a_registry_says(marked: Engine, registry: Registry) -> None:
    """Search results and error messages of a registry, and pull's progress."""
    server = Server(images.image(registry.busybox))
    hit = {"name": EVIL + LINES, "description": EVIL + LINES, "star_count": 1, "is_official": False}
    body = json.dumps({"results": [hit], "num_results": 1}).encode()

    def results(request: Any, count: int) -> bool:
        request.answer(200, body, {"content-type": "application/json"})
        return True

    def refusal(request: Any, count: int) -> bool:
        told = {"errors": [{"code": EVIL, "message": EVIL + LINES, "detail": LINES}]}
        request.answer(404, json.dumps(told).encode(), {"content-type": "application/json"})
        return True

    server.rules = [("/v1/search", results), ("/manifests/evil", refusal)]
    conf = marked.home / "insecure.conf"
    conf.write_text(
        f'[[registry]]\nprefix = "{server.host}"\nlocation = "{server.host}"\ninsecure = true\n'
    )
    marked.env["CONTAINERS_REGISTRIES_CONF"] = str(conf)
    name = f"{server.host}/x"
    for words in (["search", name], ["search", "--no-trunc", name],
                  ["search", "--format", "{{.Name}} {{.Description}}", name],
                  ["search", "--format", "json", name],
                  ["pull", "-q", f"{name}:evil"]):  # fmt: skip
        check(shown(marked, *words), words)
    progress = shown(marked, "pull", f"{name}:evil")  # has escapes of its own
    assert "\x1b]" not in progress and "\x9b" not in progress and "FORGED" in progress
    server.shutdown()
