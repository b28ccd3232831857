"""events: history without waiting, both peers' names of events, labels in each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from engine import Engine

LABELS = {"one": "1", "two": "a b"}


@pytest.fixture(scope="module")
def happened(new_engine: Callable[[str, str], Engine]) -> Iterator[Engine]:
    """A store in which a container with labels lived and died."""
    engine = new_engine("root", "h")
    engine.ok("pull", "-q", "busybox")
    options = [word for key, value in LABELS.items() for word in ("-l", f"{key}={value}")]
    engine.detached("--name", "c", *options, "busybox", "sleep", "1000")
    engine.ok("exec", "c", "true")
    engine.ok("pause", "c")
    engine.ok("unpause", "c")
    engine.ok("rename", "c", "d")
    engine.ok("stop", "-t0", "d")
    engine.ok("start", "d")
    engine.ok("kill", "d")
    engine.ok("commit", "d", "made:1")
    engine.ok("rm", "d")
    engine.detached("--name", "other", "busybox", "true")
    engine.ok("wait", "other")
    yield engine
    engine.clean()


def seen(engine: Engine, *options: str) -> list[dict[str, Any]]:
    words = ("events", "--since", "1h", "--until", "0s", "--format", "{{json .}}", *options)
    return [json.loads(line) for line in engine.ok(*words).splitlines()]


def test_the_history(happened: Engine) -> None:
    for words in (("--stream=false",), ("--stream=0",), ("--since", "1h", "--until", "0s")):
        lines = happened.ok("events", *words, timeout=10).splitlines()
        assert sum(" container create " in line for line in lines) == 2, words
        assert sum(" image pull " in line for line in lines) == 1, words


def test_it_has_what_until_allows(happened: Engine) -> None:
    assert happened.ok("events", "--stream=false", "--until", "1h") == ""
    assert happened.ok("events", "--stream=false", "--since", "0s") == ""


def test_cut_ids(happened: Engine) -> None:
    for option, length in (("--no-trunc=false", 12), ("--no-trunc", 64), ("--no-trunc=true", 64)):
        lines = happened.ok(
            "events", "--since", "1h", "--stream=false", option, "-f", "event=create"
        ).splitlines()
        assert {len(line.split()[3]) for line in lines} == {length}, option


PAIRS = [("die", "died", 3), ("destroy", "remove", 1), ("exec_die", "exec_died", 1),
         ("exec_start", "exec", 1)]  # fmt: skip


@pytest.mark.parametrize("dockers,podmans,count", PAIRS)
def test_names_of_both(happened: Engine, dockers: str, podmans: str, count: int) -> None:
    found = seen(happened, "-f", f"event={dockers}", "-f", "type=container")
    assert len(found) == count
    assert seen(happened, "-f", f"event={podmans}", "-f", "type=container") == found


def test_status_is_the_event_too(happened: Engine) -> None:
    assert seen(happened, "-f", "status=start") == seen(happened, "-f", "event=start") != []


def test_labels_are_in_every_event(happened: Engine) -> None:
    found = [e for e in seen(happened, "-f", "type=container")
             if e["Actor"]["Attributes"]["name"] in ("c", "d")]  # fmt: skip
    kinds = {event["Action"].partition(":")[0] for event in found}
    wanted = {"create", "start", "exec_create", "exec_start", "exec_die", "pause", "unpause",
              "rename", "kill", "die", "stop", "commit", "destroy"}  # fmt: skip
    assert wanted <= kinds, wanted - kinds
    for event in found:
        attributes = event["Actor"]["Attributes"]
        assert attributes.items() >= LABELS.items(), event
        assert attributes["image"] == "busybox", event


def test_filters_by_label_find_all_of_them(happened: Engine) -> None:
    whole = len([e for e in seen(happened, "-f", "type=container")
                 if e["Actor"]["Attributes"]["name"] in ("c", "d")])  # fmt: skip
    assert whole > 10
    for text in ("label=one", "label=one=1"):
        assert len(seen(happened, "-f", text)) == whole
    assert seen(happened, "-f", "label=one=2") == []


def test_exit_codes_and_signals_are_told(happened: Engine) -> None:
    died = [e["Actor"]["Attributes"].get("exitCode") for e in seen(happened, "-f", "event=die")]
    assert died == ["137", "137", "0"]
    killed = [e["Actor"]["Attributes"].get("signal") for e in seen(happened, "-f", "event=kill")]
    assert killed and set(killed) <= {"9", "15"}


def test_names_of_json_differ_by_more_than_capitals(root: Engine) -> None:
    """Go's decoder takes `Time` for `time`: a program with Docker's types could read none."""
    since = ("--since", str(int(time.time())))  # for both: a span ago moves on
    root.ok("run", "--rm", "--network", "none", "--name", "told", "busybox", "true")
    lines = root.ok("events", *since, "--until", "0s", "--format", "json").splitlines()
    assert len(lines) >= 4
    for line in lines:
        names = [name.lower() for name in json.loads(line)]
        assert len(names) == len(set(names)), line
    shown = root.ok("events", *since, "--until", "0s", "--format", "{{.Time}} {{.ID}}")
    assert len(shown.splitlines()) >= len(lines)
