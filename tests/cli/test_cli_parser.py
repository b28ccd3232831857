"""The fast parser: what it takes, what it leaves to typer, and that both know the same."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crun_py.cli import app, dispatch, fast
from crun_py.cli.verbs import GROUP_SUMMARIES, GROUPS, VERBS
from crun_py.errors import InvalidArgument
from crun_py.values import FLAG, LIST, OPTIONAL, SWITCH, VALUE, Values, destination


def plain(values: Values, table: tuple[tuple[str, str, str, str], ...]) -> dict[str, Any]:
    """The value of each option by its key."""
    ask = {FLAG: values.flag, SWITCH: values.switch, LIST: values.texts, VALUE: values.maybe,
           OPTIONAL: values.maybe}  # fmt: skip
    keys = {destination(names): kind for names, kind, *_ in table}
    return {key: ask[kind](key) for key, kind in keys.items()}


def parsed(*words: str) -> tuple[str, dict[str, Any], list[str]]:
    call = fast.parse(list(words))
    assert call is not None, words
    values = plain(call.values, call.module.OPTIONS)
    return (
        call.verb,
        {k: v for k, v in values.items() if v not in (False, None, [])},
        call.arguments,
    )


@pytest.mark.parametrize(
    "line,values,arguments",
    [
        ("run busybox", {}, ["busybox"]),
        ("run -d busybox sh -c x", {"detach": True}, ["busybox", "sh", "-c", "x"]),
        ("run -it busybox", {"interactive": True, "tty": True}, ["busybox"]),
        ("run -itd --rm b", {"interactive": True, "tty": True, "detach": True, "rm": True}, ["b"]),
        ("run -p 80:80 -p81:81 -p=82:82 b", {"publish": ["80:80", "81:81", "82:82"]}, ["b"]),
        ("run --publish=80 b", {"publish": ["80"]}, ["b"]),
        ("run -dp 80 b", {"detach": True, "publish": ["80"]}, ["b"]),
        ("run --name x --name y b", {"name": "y"}, ["b"]),
        ("run --rm=false --init=true b", {"init": True}, ["b"]),
        ("run --rm=0 --tty=1 b", {"tty": True}, ["b"]),
        ("run -- b -d", {}, ["b", "-d"]),
        ("run b --rm", {}, ["b", "--rm"]),
        ("run -e A=-x -e -B b", {"env": ["A=-x", "-B"]}, ["b"]),
        ("run --net host b", {"network": ["host"]}, ["b"]),
        ("run -u= b", {"user": ""}, ["b"]),
        ("ps -aq", {"all": True, "quiet": True}, []),
        ("ps -n 3", {"last": "3"}, []),
        ("ps -n3", {"last": "3"}, []),
        ("rm a -f b", {"force": True}, ["a", "b"]),
        ("rm -fv a", {"force": True, "volumes": True}, ["a"]),
        ("stop -t 3 a", {"time": "3"}, ["a"]),
        ("stop --timeout=3 a", {"time": "3"}, ["a"]),
        ("exec -it a sh -l", {"interactive": True, "tty": True}, ["a", "sh", "-l"]),
        ("logs -f --tail 3 a", {"follow": True, "tail": "3"}, ["a"]),
        ("kill -s USR1 a", {"signal": "USR1"}, ["a"]),
        ("container ls -a", {"all": True}, []),
        ("image ls", {}, []),
        ("--root /x --runroot=/y ps", {}, []),
        ("--debug run b", {}, ["b"]),
    ],
)
def test_lines(line: str, values: dict[str, Any], arguments: list[str]) -> None:
    _, found, rest = parsed(*line.split())
    assert (found, rest) == (values, arguments)


@pytest.mark.parametrize(
    "line",
    ["", "--help", "run", "run --help", "run -h", "run --nosuch b", "run -Z b", "run --name",
     "nosuch", "container", "container nosuch", "image",
     "ps extra", "version x", "--nosuch ps", "rename a", "-x"],
)  # fmt: skip
def test_what_is_left_to_typer(line: str) -> None:
    assert fast.parse(line.split()) is None


def test_switch_that_is_neither_true_nor_false() -> None:
    with pytest.raises(InvalidArgument, match="--force=perhaps"):
        fast.parse(["rm", "--force=perhaps", "a"])


ALONE = (FLAG, SWITCH, OPTIONAL)


def test_every_verb_has_its_module() -> None:
    for verb in VERBS:
        module = fast.load(verb)
        assert callable(module.main) and module.__doc__, verb
        names = [n for names, *_ in module.OPTIONS for n in names.split()]
        assert len(names) == len(set(names)), f"{verb}: an option twice"
        for names, kind, text, metavar in module.OPTIONS:
            assert kind in (*ALONE, VALUE, LIST), (verb, names)
            assert bool(metavar) == (kind not in ALONE), (verb, names)
            assert not text.endswith("."), (verb, text)
    for members in GROUPS.values():
        assert set(members.values()) <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_typer_and_the_fast_parser_agree(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same line gives the same call by both ways."""
    module = fast.load(verb)
    words = verb.split()
    for names, kind, _, _ in module.OPTIONS:
        word = next((n for n in names.split() if n.startswith("--")), names.split()[0])
        words += [word] if kind in ALONE else [word, "7"]
    count = sum(1 for w in module.ARGUMENTS.split() if w[0] != "[")
    words += [f"argument{n}" for n in range(count)]
    quick = fast.parse(words)
    assert quick is not None
    calls: list[fast.Call] = []
    monkeypatch.setattr(dispatch, "execute", lambda call: calls.append(call) or 0)
    assert app.run(words) == 0
    assert calls[0].verb == quick.verb
    table = module.OPTIONS
    assert plain(calls[0].values, table) == plain(quick.values, table)
    assert calls[0].arguments == quick.arguments


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=6))
def test_any_words_parse_or_not(words: list[str]) -> None:
    for verb in ("run", "ps", "exec", "rm"):
        call = fast.parse([verb, *words])
        if call is not None:
            assert call.verb == verb


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_alone_is_asked_what_it_can(group: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert app.run(group.split()) == 0
    alone = capfd.readouterr().out
    assert app.run([*group.split(), "--help"]) == 0
    assert alone == capfd.readouterr().out and GROUP_SUMMARIES[group] in alone


def test_a_shell_of_ours_does_not_need_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crun_py", "run", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "--publish" in done.stdout and not done.stderr
