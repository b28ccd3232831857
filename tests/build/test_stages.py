"""Stages: what they begin with, what they need, which target needs what."""

from __future__ import annotations

import pytest

from crun_py.build.errors import DockerfileError
from crun_py.build.stages import Stages, arguments, defaults, stages, used
from crun_py.build.steps import Arg
from crun_py.build.syntax import parse
from crun_py.errors import InvalidArgument

PLATFORMS = {"TARGETPLATFORM": "linux/arm64", "TARGETOS": "linux", "TARGETARCH": "arm64",
             "TARGETVARIANT": "", "BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux",
             "BUILDARCH": "amd64", "BUILDVARIANT": ""}  # fmt: skip


def made(text: str, target: str = "", contexts: tuple[str, ...] = (), **given: str) -> Stages:
    return stages(parse(text), given, target, platforms=PLATFORMS, contexts=contexts)


# text, (name, image, parent, needs) of each stage
SPLIT: list[tuple[str, list[tuple[str, str, int | None, set[int]]]]] = [
    ("FROM a", [("", "a", None, set())]),
    ("FROM scratch", [("", "scratch", None, set())]),
    ("FROM a AS x\nFROM x", [("x", "a", None, set()), ("", "x", 0, {0})]),
    ("FROM a AS X\nFROM x", [("x", "a", None, set()), ("", "x", 0, {0})]),
    ("FROM a AS x\nFROM X AS y", [("x", "a", None, set()), ("y", "X", None, set())]),
    ("FROM a\nFROM 0", [("", "a", None, set()), ("", "0", None, set())]),
    ("FROM x\nFROM a AS x", [("", "x", None, set()), ("x", "a", None, set())]),
    ("FROM a AS a", [("a", "a", None, set())]),
    ("FROM a AS a\nFROM a", [("a", "a", None, set()), ("", "a", 0, {0})]),
    ("FROM a AS x\nFROM b AS x\nFROM x", [("x", "a", None, set()), ("x", "b", None, set()),
                                        ("", "x", 1, {1})]),
    ("FROM a AS x\nFROM b\nCOPY --from=x c d", [("x", "a", None, set()), ("", "b", None, {0})]),
    ("FROM a AS x\nFROM b\nCOPY --from=X c d", [("x", "a", None, set()), ("", "b", None, {0})]),
    ("FROM a\nFROM b\nCOPY --from=0 c d", [("", "a", None, set()), ("", "b", None, {0})]),
    ("FROM a\nFROM b\nADD c d", [("", "a", None, set()), ("", "b", None, set())]),
    ("FROM a\nCOPY --from=nginx:1 c d", [("", "a", None, set())]),
    ("FROM a AS x\nFROM b\nRUN --mount=from=x,target=/y z",
     [("x", "a", None, set()), ("", "b", None, {0})]),
    ("FROM a AS x\nFROM b\nRUN --mount=type=cache,from=0,target=/y z",
     [("x", "a", None, set()), ("", "b", None, {0})]),
    ("FROM a\nCOPY --from=y c d\nFROM b AS y", [("", "a", None, set()), ("y", "b", None, set())]),
    ("FROM a AS x\nFROM x AS y\nFROM z\nCOPY --from=y a b\nCOPY --from=x a b",
     [("x", "a", None, set()), ("y", "x", 0, {0}), ("", "z", None, {0, 1})]),
    ("ARG V=3\nFROM a:$V", [("", "a:3", None, set())]),
    ("ARG V\nFROM a:${V:-2}", [("", "a:2", None, set())]),
    ("ARG A=1\nARG B=$A-x\nFROM a:$B", [("", "a:1-x", None, set())]),
    ("ARG A=1 B=${A}x\nFROM a:$B", [("", "a:x", None, set())]),
    ("ARG S=x\nFROM a AS x\nFROM $S", [("x", "a", None, set()), ("", "x", 0, {0})]),
    ("FROM a-$TARGETARCH", [("", "a-arm64", None, set())]),
    ("FROM a AS x\nONBUILD COPY --from=nginx a b\nFROM b AS nginx\nFROM x",
     [("x", "a", None, set()), ("nginx", "b", None, set()), ("", "x", 0, {0, 1})]),
    ("FROM a\nRUN x\nFROM b\nRUN y\nFROM c", [("", "a", None, set()), ("", "b", None, set()),
                                           ("", "c", None, set())]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SPLIT)
def test_split(text: str, expected: list[tuple[str, str, int | None, set[int]]]) -> None:
    found = made(text).all
    assert [(s.name, s.base.image, s.parent, {*s.needs}) for s in found] == expected
    assert [s.index for s in found] == [*range(len(found))]
    assert all(len(s.steps) == len(s.instructions) for s in found)


def test_platforms() -> None:
    text = "FROM --platform=$BUILDPLATFORM a\nFROM --platform=linux/$TARGETARCH b\nFROM c"
    assert [s.base.platform for s in made(text).all] == ["linux/amd64", "linux/arm64", ""]
    assert made(text).all[0].written.platform == "$BUILDPLATFORM"


def test_build_arguments_win_over_defaults() -> None:
    assert made("ARG V=3\nFROM a:$V", V="4").all[0].base.image == "a:4"
    assert made("ARG V\nFROM a:$V", V="4").all[0].base.image == "a:4"
    assert made("ARG V=3\nARG W=$V\nFROM a:$W", V="4").all[0].base.image == "a:4"
    assert made("FROM a-$TARGETARCH", TARGETARCH="s390x").all[0].base.image == "a-s390x"
    assert made("ARG V=${X?}\nFROM a:$V", V="4").all[0].base.image == "a:4"
    assert defaults(made("ARG V=3\nFROM a:$V", V="4"))["V"] == "3"


def test_build_arguments_that_nothing_uses() -> None:
    assert made("ARG A\nFROM a\nARG B", A="1", B="2", C="3", HTTP_PROXY="x").unused == ("C",)


ORDERS = [
    ("FROM a", "", (0,)),
    ("FROM a AS x\nFROM b AS y", "", (1,)),
    ("FROM a AS x\nFROM b AS y", "x", (0,)),
    ("FROM a AS x\nFROM b AS y", "X", (0,)),
    ("FROM a AS x\nFROM x AS y\nFROM y", "", (0, 1, 2)),
    ("FROM a AS x\nFROM b AS y\nFROM c\nCOPY --from=x a b", "", (0, 2)),
    ("FROM a AS x\nFROM b AS x", "x", (1,)),
    ("FROM a AS x\nFROM b AS y\nCOPY --from=x a b\nFROM c\nCOPY --from=y a b", "", (0, 1, 2)),
    ("FROM a AS x\nFROM b AS y\nFROM c\nCOPY --from=y a b", "", (1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "target", "order"), ORDERS)
def test_what_a_target_needs(text: str, target: str, order: tuple[int, ...]) -> None:
    found = made(text, target)
    assert found.order == order and found.target == order[-1]
    assert tuple(s.index for s in used(made(text), target)) == order
    assert used(found, all=True) == found.all


@pytest.mark.parametrize(
    ("text", "target", "hint"),
    [("FROM a AS build\nFROM b", "biuld", "did you mean build?"), ("FROM a", "x", "no stage has a"),
     ("FROM a AS b", "zzzz", "stages: b"), ("FROM a", "1", "no stage"),
     ("FROM a", "-1", "no stage")],
)  # fmt: skip
def test_no_such_target(text: str, target: str, hint: str) -> None:
    with pytest.raises(InvalidArgument, match=f"target '{target}': no such stage") as raised:
        made(text, target)
    assert hint in raised.value.hint


def test_contexts_win() -> None:
    text = "FROM a AS x\nRUN y\nFROM x AS z\nCOPY --from=x a b\nCOPY --from=other a b"
    found = made(text, contexts=("X",))
    assert found.all[1].parent is None and found.all[1].needs == frozenset()
    assert found.all[0].base.image == "x" and found.all[0].steps == ()
    assert found.order == (1,)
    assert made("FROM a AS n\nFROM alpine", contexts=("alpine",)).all[1].parent is None


def test_find() -> None:
    found = made("FROM a AS x\nFROM b AS y\nFROM c", contexts=("ctx",))
    assert [found.find(name, 2) for name in ("x", "Y", "0", "1", "image", "ctx", "")] == [
        0, 1, 0, 1, None, None, None]  # fmt: skip
    assert found.find("y", 1) is None
    with pytest.raises(InvalidArgument):
        found.find("2", 2)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [("FROM $X", ":1:6: FROM $X: this is no image", "ARG X stands before no FROM"),
     ("ARG VERSION=1\nFROM a\nFROM ${VERSON}", ":3:6: FROM ${VERSON}", "did you mean VERSION?"),
     ("FROM --platform=$X a", ":1:17: FROM --platform=$X", "ARG X stands before no FROM"),
     ("ARG X\nFROM $X", ":2:6: FROM $X", ""),
     ("FROM a\nARG X=b\nFROM $X", ":3:6: FROM $X", "ARG X stands before no FROM"),
     ("ARG X=${Y?say}\nFROM a", ":1:1: ARG: Y: say", ""),
     ("FROM a\nCOPY --from=0 a b", ":2:1: COPY: there is no stage 0", ""),
     ("FROM a\nFROM b\nCOPY --from=1 a b", ":3:1: COPY: there is no stage 1", "counted from 0"),
     ("FROM a\nRUN --mount=target=/x,from=7 y", ":2:1: RUN: there is no stage 7", ""),
     ("FROM a\nFROM b\nENV\nFROM c", ":3:1: ENV: it needs", ""),
     ("FROM a AS 1", ":1:11: FROM: 1 cannot name a stage", ""),
     ("FROM a AS x\nONBUILD COPY --from=9 a b\nFROM x", ":1:1: COPY: there is no stage 9", "")],
)  # fmt: skip
def test_errors(text: str, message: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as raised:
        made(text)
    assert message in raised.value.message and hint in raised.value.hint
    assert raised.value.message.count("Dockerfile:") <= 1


# global part, the ARG of the stage, variables, build arguments, what it sets
ARGS: list[tuple[str, str, dict[str, str], dict[str, str], dict[str, str | None]]] = [
    ("", "ARG a", {}, {}, {"a": None}),
    ("", "ARG a=1", {}, {}, {"a": "1"}),
    ("", "ARG a=1", {}, {"a": "2"}, {"a": "2"}),
    ("", "ARG a", {}, {"a": "2"}, {"a": "2"}),
    ("", "ARG a", {}, {"a": ""}, {"a": ""}),
    ("ARG a=1\n", "ARG a", {}, {}, {"a": "1"}),
    ("ARG a=1\n", "ARG a=2", {}, {}, {"a": "2"}),
    ("ARG a=1\n", "ARG a", {}, {"a": "3"}, {"a": "3"}),
    ("", "ARG a=$b", {"b": "B"}, {}, {"a": "B"}),
    ("", "ARG b=1 a=$b", {}, {}, {"b": "1", "a": ""}),
    ("", "ARG b=1 a=$b", {}, {"b": "2"}, {"b": "2", "a": ""}),
    ("ARG x=1\n", "ARG a=$x", {}, {}, {"a": ""}),
    ("", "ARG TARGETARCH", {}, {}, {"TARGETARCH": "arm64"}),
    ("", "ARG TARGETARCH=x", {}, {}, {"TARGETARCH": "x"}),
    ("", "ARG a=${b?}", {}, {"a": "1"}, {"a": "1"}),
    ("", "ARG TARGETSTAGE", {}, {}, {"TARGETSTAGE": "default"}),
]  # fmt: skip


@pytest.mark.parametrize(("head", "text", "variables", "given", "expected"), ARGS)
def test_arguments(
    head: str, text: str, variables: dict[str, str], given: dict[str, str],
    expected: dict[str, str | None],
) -> None:  # fmt: skip
    found = made(f"{head}FROM i\n{text}", **given)
    arg = found.all[0].steps[0]
    assert isinstance(arg, Arg)
    assert arguments(arg, variables, found) == expected
