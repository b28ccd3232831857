"""`crunpy --quiet VERB` and CRUNPY_QUIET: errors alone on standard error, answers as they are."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from engine import Engine, Result

from crun_py.cli import dispatch, fast

Run = Callable[..., Result]

WAYS = [(("--quiet",), {}), ((), {"CRUNPY_QUIET": "true"})]


@pytest.fixture(params=WAYS, ids=["option", "variable"])
def quietly(request: pytest.FixtureRequest, engine: Engine) -> Run:
    words, env = request.param

    def run(*given: str | Path) -> Result:
        return engine.run(*words, *given, env=env)

    return run


def test_progress(quietly: Run, engine: Engine) -> None:
    image = f"{engine.registry}/library/busybox"
    context = engine.home / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo said\n")
    if engine.user:
        shutil.chown(context, engine.user)
    assert engine.run("pull", "--tls-verify=false", image).err
    for words in (
        ("pull", "--tls-verify=false", image),
        ("push", "--tls-verify=false", image, f"{engine.registry}/quiet/{engine.user or 'root'}"),
        ("build", "--no-cache", "-t", "quiet", context),
        ("run", "--rm", "--pull", "always", "--network", "none", "busybox", "true"),
        ("save", "-o", engine.home / "quiet.tar", "quiet"),
        ("load", "-i", engine.home / "quiet.tar"),
    ):
        done = quietly(*words)
        assert (done.code, done.err) == (0, ""), words
        assert not done.out.startswith("STEP"), words
    engine.ok("rmi", "quiet", image)


def test_the_verbs_have_such_an_option() -> None:
    for verb in dispatch._PROGRESSING:
        table = fast.load(verb).OPTIONS
        assert [kind for names, kind, *_ in table if "--quiet" in names.split()] == ["flag"], verb


def test_warnings(quietly: Run, engine: Engine) -> None:
    words = ("run", "--rm", "--network", "host", "-p", "1:1", "busybox", "sh", "-c",
             "echo out; echo err >&2; exit 3")  # fmt: skip
    assert "discarded" in engine.run(*words).err
    done = quietly(*words)
    assert (done.code, done.out, done.err) == (3, "out\n", "err\n")


def test_answers_and_errors_stay(quietly: Run, engine: Engine) -> None:
    assert quietly("images").out == engine.run("images").out
    assert "REPOSITORY" in quietly("images").out
    done = quietly("inspect", "nothing")
    assert done.code and "nothing" in done.err


def test_the_variable_says_no(root: Engine) -> None:
    words = ("run", "--rm", "--network", "host", "-p", "1:1", "busybox", "true")
    for no in ("", "0", "f", "False"):
        assert "discarded" in root.run(*words, env={"CRUNPY_QUIET": no}).err


def test_the_variable_says_neither(root: Engine) -> None:
    """As an option's value, it is refused; an option counts more."""
    words = ("run", "--rm", "--network", "none", "busybox", "true")
    said = {"CRUNPY_QUIET": "maybe"}
    assert "CRUNPY_QUIET=maybe: not true or false" in root.fails(*words, env=said)
    assert root.run("--quiet", *words, env=said).code == 0
    for yes in ("1", "t", "TRUE"):
        assert root.run(*words, env={"CRUNPY_QUIET": yes}).code == 0
