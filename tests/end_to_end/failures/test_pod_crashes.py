"""kill -9 of commands about pods before calls that change something: what is left is told of, one
`pod rm -f` and one `rm -f` leave nothing.

A sample of the points is tried, CRUNPY_CRASH_EVERY=1 tries all.
"""

from __future__ import annotations

import os
import signal
import zlib

import pytest
from engine import Engine
from tracing import traced

EVERY = int(os.environ.get("CRUNPY_CRASH_EVERY", "59"))
CREATE = ("pod", "create", "--network", "none", "--name", "p")
RUN = ("run", "-d", "--pod", "p", "--name", "web", "busybox", "sleep", "1000")
KINDS: dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    "pod create": (CREATE, ()),
    "run --pod new": (("run", "-d", "--pod", "new:p", "--network", "none", *RUN[4:]), ()),
    "create --pod": (("create", "--pod", "p", "--name", "web", "busybox"), (CREATE,)),
    "pod start": (("pod", "start", "p"), (CREATE, ("create", "--pod", "p", "busybox", "true"))),
    "pod stop": (("pod", "stop", "-t", "0", "p"), (CREATE, RUN)),
    "pod rm -f": (("pod", "rm", "-f", "p"), (CREATE, RUN)),
}
"""The command that is hit, and what is done before each time."""


def _gone(engine: Engine) -> None:
    """The names can be told, and all is gone by two commands."""
    for words in (("pod", "ps"), ("ps", "-a"), ("pod", "rm", "-f", "-a"), ("rm", "-f", "-a")):
        done = engine.run(*words)
        assert (done.code, done.err) == (0, ""), done
    assert engine.ps("-a") == [] and engine.ok("pod", "ps", "-q") == ""
    assert not engine.left()


@pytest.mark.parametrize("kind", KINDS)
def test_kill_before_any_call(engine: Engine, kind: str) -> None:
    words, before = KINDS[kind]

    def ready() -> None:
        for one in before:
            engine.ok(*one)

    ready()
    calls = traced(engine, "", 0, 0, *words)["counts"]["cli"]
    _gone(engine)
    first = 1 + zlib.crc32(f"{kind} {engine.rootless}".encode()) % EVERY
    step = max(EVERY, -(-calls // 6)) if EVERY > 1 else 1
    for k in range(min(first, calls), calls + 1, step):
        ready()
        hit = traced(engine, "cli", k, signal.SIGKILL, *words)
        try:
            _gone(engine)
        except AssertionError as e:
            raise AssertionError(f"{kind}, call {k} of {calls}, {hit['at']}: {e}") from e
        engine.ok(*CREATE)  # its name is free
        engine.ok("pod", "rm", "p")
