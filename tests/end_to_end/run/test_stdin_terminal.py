"""-it where standard input is no terminal: refused in Docker's words, before anything is made."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest
from engine import Engine, wait_for

NONE = ("--network", "none")
WORDS = "the input device is not a TTY"


def inputs() -> list[tuple[str, dict[str, Any]]]:
    return [("null", {"stdin": subprocess.DEVNULL}), ("pipe", {"input": "x\n"}),
            ("closed", {"stdin": None, "preexec_fn": lambda: os.close(0)})]  # fmt: skip


@pytest.mark.parametrize("name,given", inputs(), ids=[name for name, _ in inputs()])
def test_refused(engine: Engine, name: str, given: dict[str, Any]) -> None:
    engine.detached("-t", "-i", "--name", "c", "busybox", "cat")
    for words in (("run", "-it", *NONE, "busybox", "cat"), ("exec", "-it", "c", "cat"),
                  ("attach", "c"), ("run", "-t", "-i", "--rm", *NONE, "nosuchimage"),
                  ("run", "-t", "-a", "stdin", "-i", *NONE, "busybox", "cat")):  # fmt: skip
        message = engine.fails(*words, code=1, timeout=10, **given)
        assert WORDS in message, (name, words)
    assert engine.ps("-a") == ["c"]


def test_where_nothing_is_read_it_works(engine: Engine) -> None:
    """-t alone, -i alone, -d, create."""
    assert engine.ok("run", "-t", "--rm", *NONE, "busybox", "echo", "x") == "x"
    assert engine.ok("run", "-i", "--rm", *NONE, "busybox", "cat", input="x") == "x"
    engine.ok("run", "-dit", "--name", "c", *NONE, "busybox", "cat")
    assert engine.ok("exec", "-t", "c", "echo", "x") == "x"
    assert engine.ok("exec", "-i", "c", "cat", input="x") == "x"
    engine.ok("exec", "-d", "-it", "c", "true")
    engine.ok("create", "-it", "--name", "d", *NONE, "busybox", "cat")


def test_the_end_of_input_reaches_the_terminal(engine: Engine) -> None:
    """`start -ai` takes what there is, and its end is the terminal's end of input."""
    engine.ok("create", "-it", "--name", "c", *NONE, "busybox", "cat")
    assert engine.run("start", "-ai", "c", timeout=10).code == 0
    done = engine.run("start", "-ai", "c", input="hello\n", timeout=10)
    assert done.code == 0 and "hello" in done.out, done


def test_the_client_can_be_ended(engine: Engine) -> None:
    engine.ok("create", "-it", "--name", "c", *NONE, "busybox", "sh", "-c",
              "trap '' TERM; echo up; while :; do sleep 1; done")  # fmt: skip
    client = engine.popen("start", "-ai", "c", "--sig-proxy=false", stdin=subprocess.PIPE)
    engine.logs_until("c", "up")
    client.send_signal(signal.SIGTERM)
    wait_for(lambda: client.poll() is not None, timeout_s=5)
    assert engine.ps() == ["c"]


def test_published_ports_with_the_hosts_network_are_warned_about(engine: Engine) -> None:
    done = engine.run("run", "--rm", "--network", "host", "-p", "8080:80", "busybox", "echo", "x")
    assert (done.code, done.out) == (0, "x\n")
    assert "warning" in done.err and "host" in done.err and "port" in done.err.lower(), done.err
    assert not engine.run("run", "--rm", "--network", "host", "busybox", "true").err
