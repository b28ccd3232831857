"""--log-format json: messages on standard error, an object a line."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from engine import Engine

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def told(text: str) -> list[dict[str, Any]]:
    """The objects of a standard error, without their times, which are looked at."""
    found = [json.loads(line) for line in text.splitlines()]
    for one in found:
        assert TIME.fullmatch(one.pop("time"))
    return found


@pytest.mark.parametrize("how", ["option", "variable"])
def test_an_error(engine: Engine, how: str) -> None:
    words = ["--log-format=json"] if how == "option" else []
    env: dict[str, str | None] = {} if how == "option" else {"CRUNPY_LOG_FORMAT": "json"}
    done = engine.run(*words, "run", "--network", "nowhere", "busybox", env=env)
    assert told(done.err) == [{
        "level": "error", "msg": "no network 'nowhere'", "hint": "crunpy network ls lists them",
        "code": 125,
    }]  # fmt: skip
    assert done.code == 125 and not done.out


def test_warnings_and_what_the_command_says(root: Engine) -> None:
    done = root.run("--log-format", "json", "run", "--rm", "--network", "host", "-p", "1:1",
                    "busybox", "sh", "-c", "echo out; echo err >&2; exit 3")  # fmt: skip
    lines = done.err.splitlines()
    assert told(lines[0]) == [{
        "level": "warning",
        "msg": "published ports are discarded when using host network mode",
    }]  # fmt: skip
    # the container's own output is its own
    assert (lines[1:], done.out, done.code) == (["err"], "out\n", 3)


def test_one_error_for_each_name(root: Engine) -> None:
    done = root.run("--log-format", "json", "rm", "one", "two")
    found = told(done.err)
    assert [one["level"] for one in found] == ["error", "error"] and done.code != 0
    assert ["one" in found[0]["msg"], "two" in found[1]["msg"]] == [True, True]
    assert not any("code" in one for one in found)


def test_a_misused_option(root: Engine) -> None:
    [found] = told(root.run("--log-format", "json", "run", "--nosuch", "busybox").err)
    assert found["msg"] == "run --nosuch: no such option" and found["code"] == 125


def test_what_strangers_wrote_ends_no_line(root: Engine) -> None:
    done = root.run("--log-format", "json", "inspect", "a\nb\x1b[31m")
    assert len(told(done.err)) == 1 and "\x1b" not in done.err


def test_text_is_as_it_was(root: Engine) -> None:
    wanted = root.run("run", "--network", "nowhere", "busybox").err
    assert wanted == "crunpy: error: no network 'nowhere' (crunpy network ls lists them)\n"
    done = root.run("--log-format", "text", "run", "--network", "nowhere", "busybox",
                    env={"CRUNPY_LOG_FORMAT": "json"})  # fmt: skip
    assert done.err == wanted


def test_no_other_format(root: Engine) -> None:
    assert root.fails("--log-format", "xml", "ps") == (
        "log format 'xml': not known (known: text, json)"
    )
    assert "'xml'" in root.fails("ps", env={"CRUNPY_LOG_FORMAT": "xml"})
