"""Names beside --all or --latest: an error, and nothing happens; never ignored in silence."""

from __future__ import annotations

import pytest
from engine import Engine

from crun_py.cli import fast
from crun_py.cli.verbs import VERBS


def flags(verb: str) -> set[str]:
    return {name for names, *_ in fast.load(verb).OPTIONS for name in names.split()}


def verbs(flag: str) -> list[str]:
    """Verbs with names that are not needed when `flag` is given."""
    return [
        verb for verb in VERBS
        if fast.load(verb).ARGUMENTS.endswith("...]") and flag in flags(verb)
        and fast.load(verb).ARGUMENTS.startswith("[") and verb != "top"
    ]  # fmt: skip


CASES = [(verb, flag) for flag in ("--all", "--latest") for verb in verbs(flag)]


def test_the_verbs_are_found() -> None:
    assert {"start", "stop", "kill", "rm", "restart", "pause", "unpause"} <= set(verbs("--all"))
    assert {"start", "stop", "kill", "rm", "restart"} <= set(verbs("--latest"))


@pytest.mark.parametrize("verb,flag", CASES)
def test_an_error(root: Engine, verb: str, flag: str) -> None:
    root.ok("create", "--network", "none", "--name", "c", "busybox", "sleep", "1000")
    done = root.run(*verb.split(), flag, "nosuch")
    root.run("image", "unmount", "--all")
    assert done.code == 125 and flag in done.err and len(done.err.splitlines()) == 1, done
    assert done.out == "" and root.state("c")["Status"] == "created"


def test_what_was_running_still_is(engine: Engine) -> None:
    engine.detached("--name", "a", "busybox", "sleep", "1000")
    engine.detached("--name", "b", "busybox", "sleep", "1000")
    pids = [engine.state(name)["Pid"] for name in ("a", "b")]
    for verb in ("stop", "kill", "rm -f", "restart", "pause"):
        assert "--all" in engine.fails(*verb.split(), "--all", "a")
    assert [engine.state(name)["Pid"] for name in ("a", "b")] == pids
    assert engine.state("a")["Status"] == "running"
