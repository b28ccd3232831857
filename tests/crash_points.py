"""A signal before any call of a command that changes something (tracer.py), and what must be true
afterwards: the next command tells the truth, and one `rm -f` leaves nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

from engine import Engine, wait_for
from tracing import traced

SLEEP = ("busybox", "sleep", "1000")
DOCKERFILE = "FROM busybox\nRUN echo made > /made\nCOPY Dockerfile /\n"


class Command(NamedTuple):
    """words: the command that is hit.  before: what is done before each time.  again: what must
    succeed after it was hit.  undo: what takes back what it did."""

    words: tuple[str, ...]
    before: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()


_RUN, _CREATE = ("run", "-d", "--name", "web", *SLEEP), ("create", "--name", "web", *SLEEP)
_COMMIT, _BUILD = ("commit", "-q", "web", "made"), ("build", "-q", "-t", "made", "CONTEXT")
COMMANDS = {
    "run -d": Command(_RUN),
    "run --rm": Command(("run", "--rm", "--name", "web", "busybox", "true")),
    "ending": Command(("run", "-d", "--name", "web", "busybox", "true")),
    "create": Command(_CREATE),
    "start": Command(("start", "web"), _CREATE),
    "stop": Command(("stop", "-t", "0", "web"), _RUN),
    "restart": Command(("restart", "-t", "0", "web"), _RUN),
    "rm": Command(("rm", "web"), _CREATE),
    "rm -f": Command(("rm", "-f", "web"), _RUN),
    "pull": Command(("pull", "-q", "busybox"), ("rmi", "-f", "busybox"), ("pull", "-q", "busybox")),
    "commit": Command(_COMMIT, _CREATE, _COMMIT, ("rmi", "-f", "made")),
    "build": Command(_BUILD, (), _BUILD, ("rmi", "-f", "made")),
    "volume rm": Command(("volume", "rm", "v"), ("volume", "create", "v"),
                         ("volume", "rm", "-f", "v")),
}  # fmt: skip
HIT = {
    ("cli", signal.SIGKILL): tuple(kind for kind in COMMANDS if kind != "ending"),
    ("cli", signal.SIGINT): ("run -d", "run --rm"),
    ("monitor", signal.SIGKILL): ("run -d", "ending", "restart"),
    ("init", signal.SIGKILL): ("run -d",),
    ("streams", signal.SIGKILL): ("run -d", "ending"),
}


class Hit(NamedTuple):
    """k, calls: which of how many calls.  at: the call that was not made.  fault: "" is well."""

    k: int
    calls: int
    at: str
    fault: str


def runs(engine: Engine) -> bool:
    """Whether the container's own command does, whatever the engine says."""
    return any(line.endswith(" sleep 1000 ") for line in engine.processes())


def told(engine: Engine) -> str:
    """The state that ps and inspect agree on, "" when there is no container.  One that changes
    between the two is asked for again."""
    said = []
    for _ in range(50):
        listed = engine.run("ps", "-a", "--format", "{{.Names}} {{.State}}")
        assert (listed.code, listed.err) == (0, ""), listed
        if not listed.out:
            return ""
        said.append((*listed.out.split(), engine.state("web")["Status"]))
        name, state, inspected = said[-1]
        assert name == "web"
        if state == inspected:
            return str(state)
        time.sleep(0.02)
    raise AssertionError(f"ps and inspect do not agree: {said}")


def check(engine: Engine) -> None:
    # a first process that was not ready when its monitor was killed dies with it, soon
    wait_for(lambda: (told(engine) == "running") == runs(engine))
    removed = engine.run("rm", "-f", "web")
    assert (removed.code, removed.err) == (0, ""), removed
    assert told(engine) == "", told(engine)
    left = engine.left()
    assert not left, left


def hits(
    engine: Engine, role: str, number: int, kind: str, first: int, step: int, most: int = 6
) -> Iterator[Hit]:
    """Let `role` get signal `number` before call first, first + step, … of a command; with wider
    steps where those would be more than `most` points."""
    command = COMMANDS[kind]
    context = engine.home / "context"
    if kind == "build":
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(DOCKERFILE)
        context.chmod(0o755)

    def fitting(words: tuple[str, ...]) -> tuple[str, ...]:
        words = tuple(str(context) if word == "CONTEXT" else word for word in words)
        if words[0] in ("run", "create") and engine.rootless:
            return (words[0], "--network", "none", *words[1:])
        return (*words[:1], "--network", "none", *words[1:]) if words[0] == "build" else words

    def ready() -> None:
        if kind == "build":
            engine.ok("builder", "prune", "-a", "-f")
        if command.before:
            engine.ok(*fitting(command.before))

    def verify() -> None:
        if command.again:
            engine.ok(*fitting(command.again))
        if command.undo:
            engine.ok(*command.undo)
        check(engine)

    ready()
    calls = traced(engine, "", 0, 0, *fitting(command.words))["counts"].get(role, 0)
    engine.run("rm", "-f", "web")
    step = max(step, -(-calls // most))
    for k in range(min(first, calls), calls + 1, step):
        ready()
        hit = traced(engine, role, k, number, *fitting(command.words))
        fault = ""
        try:
            verify()
        except AssertionError as e:
            fault = f"{role} {kind}, call {k} of {calls}, {hit['at']}: {e}"
        yield Hit(k, calls, hit["at"], fault)
