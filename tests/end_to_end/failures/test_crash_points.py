"""kill -9 of the command, the monitor or the first process, or Ctrl-C, before any call that
changes something: the next command tells the truth, and one rm -f leaves nothing (R10).

A sample of the points is tried, CRUNPY_CRASH_EVERY=1 tries all.
"""

from __future__ import annotations

import os
import signal
import zlib

import pytest
from engine import Engine, wait_for
from tracing import traced

EVERY = int(os.environ.get("CRUNPY_CRASH_EVERY", "59"))

SLEEP = ("busybox", "sleep", "1000")
# what is done before, and the command that is hit
COMMANDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "run -d": ((), ("run", "-d", "--name", "web", *SLEEP)),
    "run --rm": ((), ("run", "--rm", "--name", "web", "busybox", "true")),
    "ending": ((), ("run", "-d", "--name", "web", "busybox", "true")),
    "stop": (("run", "-d", "--name", "web", *SLEEP), ("stop", "-t", "0", "web")),
    "restart": (("run", "-d", "--name", "web", *SLEEP), ("restart", "-t", "0", "web")),
    "rm": (("create", "--name", "web", *SLEEP), ("rm", "web")),
    "rm -f": (("run", "-d", "--name", "web", *SLEEP), ("rm", "-f", "web")),
}
HIT = {
    ("cli", signal.SIGKILL): ("run -d", "run --rm", "stop", "restart", "rm", "rm -f"),
    ("cli", signal.SIGINT): ("run -d", "run --rm"),
    ("monitor", signal.SIGKILL): ("run -d", "ending", "restart"),
    ("init", signal.SIGKILL): ("run -d",),
}


def runs(engine: Engine) -> bool:
    """Whether the container's own command does, whatever the engine says."""
    return any(line.endswith(" sleep 1000 ") for line in engine.processes())


def told(engine: Engine) -> str:
    """The state that ps and inspect agree on, "" when there is no container."""
    listed = engine.run("ps", "-a", "--format", "{{.Names}} {{.State}}")
    assert (listed.code, listed.err) == (0, "")
    if not listed.out:
        return ""
    name, state = listed.out.split()
    assert name == "web" and engine.state("web")["Status"] == state
    return state


def check(engine: Engine) -> None:
    # a first process that was not ready when its monitor was killed dies with it, soon
    wait_for(lambda: (told(engine) == "running") == runs(engine))
    removed = engine.run("rm", "-f", "web")
    assert (removed.code, removed.err) == (0, "")
    assert told(engine) == ""
    assert not engine.settled()


@pytest.mark.parametrize(
    ("role", "number", "kind"), [(*who, kind) for who, kinds in HIT.items() for kind in kinds]
)
def test_hit_before_any_call(engine: Engine, role: str, number: int, kind: str) -> None:
    before, command = COMMANDS[kind]

    def with_network(words: tuple[str, ...]) -> tuple[str, ...]:
        wanted = words[0] in ("run", "create") and engine.rootless
        return (words[0], "--network", "none", *words[1:]) if wanted else words

    def ready() -> None:
        if before:
            engine.ok(*with_network(before))

    command = with_network(command)
    ready()
    calls = traced(engine, "", 0, 0, *command)["counts"][role]
    engine.run("rm", "-f", "web")
    first = 1 + zlib.crc32(f"{role} {kind} {engine.rootless}".encode()) % EVERY
    for k in range(min(first, calls), calls + 1, EVERY):
        ready()
        hit = traced(engine, role, k, number, *command)
        try:
            check(engine)
        except AssertionError as e:
            raise AssertionError(f"call {k} of {calls}, {hit['at']}: {e}") from e
